"""Sizes: published configurations are taken, and widths match a number of parameters."""

import subprocess
import sys

import pytest
import torch

from bench.core import plugins, sizes
from bench.system.checkout import ROOT
from remul import POINT, SCALAR, VECTOR, Signature

pytestmark = pytest.mark.slow  # every network

SIGNATURE = Signature(
    {"mass": SCALAR, "position": POINT, "velocity": VECTOR}, {"position": POINT, "energy": SCALAR}
)
PUBLISHED = [name for name in plugins.names("models") if plugins.paper_options(name)]


def parameters(model):
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_configuration_builds(name):
    with torch.random.fork_rng():
        model = plugins.load("models", name).build(SIGNATURE, **sizes.paper_options(name))
    assert parameters(model) > 1000


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("wanted", [200_000, 600_000])
def test_sizes_are_matched_within_5_percent(name, wanted):
    with torch.random.fork_rng():
        model = sizes.build_matched(name, SIGNATURE, wanted)
    assert abs(parameters(model) - wanted) <= 0.05 * wanted


@pytest.mark.parametrize("parity", [0, 1])
def test_the_nearer_of_the_two_widths_is_taken(parity):
    build = plugins.load("models", "gnn").build
    with torch.random.fork_rng():
        wanted = parameters(build(SIGNATURE, channels=50)) + 100 * (-1) ** parity
    assert sizes.match_width("gnn", SIGNATURE, wanted) == {"channels": 50}


def test_widths_that_a_model_refuses_are_passed_over():
    found = sizes.match_width("transformer", SIGNATURE, 60_000, layers=2, heads=6)
    assert found["channels"] % 6 == 0


def test_other_hyperparameters_are_kept():
    found = sizes.match_width("gnn", SIGNATURE, 60_000, layers=2)
    assert (found["layers"], list(found)) == (2, ["layers", "channels"])


def test_a_size_out_of_reach_names_the_nearest():
    with pytest.raises(ValueError, match=r"transformer has [\d,]+ or [\d,]+ parameters, none"):
        sizes.match_width("transformer", SIGNATURE, 60_000, heads=64, layers=1)


def test_a_signature_that_a_model_refuses_is_refused():
    with pytest.raises(ValueError, match="egnn needs a point among the inputs"):
        sizes.match_width("egnn", Signature({"mass": SCALAR}, {"position": POINT}), 60_000)


@pytest.mark.parametrize("name", ["drift"])
def test_a_model_without_a_width_is_refused(name):
    with pytest.raises(ValueError, match=f"'{name}' has no width"):
        sizes.match_width(name, SIGNATURE, 60_000)


def test_a_file_without_a_published_configuration_is_named():
    with pytest.raises(ValueError, match="'drift' declares no published configuration"):
        sizes.paper_options("drift")


def test_matching_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    sizes.match_width("gnn", SIGNATURE, 60_000)
    assert torch.equal(torch.get_rng_state(), before)


def test_published_configurations_are_read_without_torch():
    read = "import sys; from bench.core import sizes; sizes.paper_options('egnn')"
    code = f"{read}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"False\n"


@pytest.mark.parametrize("error", ["KeyError('x')", "SystemExit('x')"])
def test_what_else_a_model_raises_is_one_line_with_its_place(error, tmp_path):
    (tmp_path / "odd.py").write_text(f"def build(signature, channels=4):\n    raise {error}")
    with pytest.raises(ValueError, match=r"odd.py': \w+: '?x'? \(odd.py, line 2\)"):
        sizes.match_width(str(tmp_path / "odd.py"), SIGNATURE, 1000)


FLAT = """
from torch import nn
def build(signature, channels=4):
    return nn.Linear(3, 3)
"""


def test_a_model_that_does_not_grow_is_refused(tmp_path):
    (tmp_path / "flat.py").write_text(f'"""Flat."""{FLAT}')
    with pytest.raises(ValueError, match="does not grow with its channels"):
        sizes.match_width(str(tmp_path / "flat.py"), SIGNATURE, 1000)
