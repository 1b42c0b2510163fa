"""Every other package's network that is installed: its graph, its symmetry, and ours beside it."""

from functools import cache

import pytest
import torch

from bench.core import plugins
from bench.core.sizes import TOLERANCE
from bench.records.peer_store import installed_version
from bench.timing.counters import parameters
from bench.timing.peer_networks import MEASURED, build_ours
from remul.rotations import draw_haar

JOBS = {"vectors": "force", "forces": "force", "energy": "energy", "harmonics": "harmonics"}
N = 6
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # theirs are not ours to mend


@pytest.fixture(params=plugins.names("peers"))
def name(request):
    """A peer that is installed; some set the default precision of the process."""
    if installed_version(request.param) is None:
        pytest.skip(f"needs `pip install {plugins.package(request.param)}`")
    before = torch.get_default_dtype()
    yield request.param
    torch._C._set_default_dtype(before)


@cache
def build(name, neighbours):
    torch.random.manual_seed(0)
    return plugins.load("peers", name).build(neighbours).eval()


def draw(turn=None):
    """Two clouds in float32, turned and moved."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"charge": 1, "position": 3, "velocity": 3}
    inputs = {
        k: torch.randn(2, N, d, generator=generator, dtype=torch.float32) for k, d in shapes.items()
    }
    if turn is None:
        return inputs
    turned = {k: x if k == "charge" else x @ turn.mT for k, x in inputs.items()}
    return turned | {"position": turned["position"] + 1.5}


def measured(outputs):
    return next(outputs[field] for field in MEASURED if field in outputs)


@pytest.mark.parametrize("neighbours", [None, 3])
def test_a_peer_does_its_job_and_turns_with_its_inputs(name, neighbours, generator):
    job, turn = plugins.load("peers", name).JOB, draw_haar(1, generator)[0].float()
    with torch.no_grad():
        outputs, turned = (build(name, neighbours)(draw(g)) for g in (None, turn))
    assert JOBS[job] in outputs
    if job == "harmonics":
        return
    expected = outputs[JOBS[job]] if job == "energy" else outputs[JOBS[job]] @ turn.mT
    assert (turned[JOBS[job]] - expected).norm() < 1e-3 * expected.norm()
    assert expected.shape == ((2, 1) if job == "energy" else (2, N, 3))


def test_ours_has_as_many_parameters_and_learns_as_theirs_does(name):
    peer, theirs = plugins.load("peers", name), build(name, None)
    ours = build_ours(peer, None, parameters(theirs)).float()
    assert parameters(ours) == pytest.approx(parameters(theirs), rel=TOLERANCE)
    for network in (theirs, ours):
        loss = measured(network(draw())).square().mean()
        assert loss.requires_grad
        loss.backward()


def test_a_mark_says_which_side_is_the_smaller_class(name):
    peer = plugins.load("peers", name)
    smaller = getattr(peer, "SMALLER", "")
    assert smaller in ("", "theirs", "ours")
    assert bool(getattr(peer, "DIFFERS", "")) >= bool(smaller)


def test_harmonics_are_ours_up_to_their_normalisation():
    if installed_version("sphericart_harmonics") is None:
        pytest.skip("needs `pip install sphericart-torch`")
    peer, inputs = plugins.load("peers", "sphericart_harmonics"), draw()
    theirs, ours = (measured(make(None)(inputs)) for make in (peer.build, peer.build_ours))
    for degree in range(peer.LMAX + 1):
        block = slice(degree**2, (degree + 1) ** 2)
        gram = ours[:, block] @ ours[:, block].mT
        other = theirs[:, block] @ theirs[:, block].mT
        torch.testing.assert_close(other / other[0, 0], gram / gram[0, 0], rtol=1e-3, atol=1e-4)
