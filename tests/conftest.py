"""What the tests share: random draws, exactly equivariant functions of every irrep, small tasks."""

from functools import partial

import networks
import pytest
import torch
from e3nn import o3

from remul import VECTOR, Rep, Signature

torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Marks as fast what takes no seconds, and leaves out what needs a GPU."""
    absent = pytest.mark.skip(reason="no CUDA device")
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(absent)
        if not any(map(item.get_closest_marker, ("slow", "system"))):
            item.add_marker("fast")


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory):
    """Tests make their data in a folder of their own, on a machine of their own."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REMUL_DATA", str(folder))
        patch.setenv("REMUL_MACHINE", "0000")
        yield folder


@pytest.fixture(scope="session")
def shelf():
    """Idle workers that lie there for the next command of a test."""
    from warm_workers import Shelf

    shelf = Shelf()
    yield shelf
    shelf.clear()


@pytest.fixture(scope="module")
def warm_workers(shelf):
    """Commands in this process start a worker only where none is left by an earlier one."""
    with shelf.in_use():
        yield


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def draw(generator):
    """Standard normal float64 tensors of the shape given."""
    return partial(torch.randn, dtype=torch.float64, generator=generator)


@pytest.fixture(params=[f"{degree}{parity}" for degree in range(4) for parity in "eo"])
def irreps(request):
    return request.param


@pytest.fixture
def exact(irreps):
    """An exactly equivariant model with outputs of one irrep, and its signature.

    Spherical harmonics of a vector, times a pseudoscalar where the parity is not (-1)^l: the
    harmonics are e3nn's polynomials, which know nothing of our Wigner matrices.
    """
    degree, parity = int(irreps[0]), irreps[1]
    natural = parity == "eo"[degree % 2]

    def model(inputs):
        harmonics = o3.spherical_harmonics(degree, inputs["v"], normalize=True)
        return {"y": harmonics if natural else harmonics * inputs["s"]}

    return model, Signature({"v": VECTOR, "s": Rep("0o")}, {"y": Rep(irreps)})


@pytest.fixture
def broken(exact):
    """The control: the exact model times 1 + v_x, which is no longer equivariant."""
    model, signature = exact

    def skewed(inputs):
        return {"y": model(inputs)["y"] * (1 + inputs["v"][..., :1])}

    return skewed, signature


@pytest.fixture
def vectors(draw):
    """Inputs of `exact` and `broken`: five samples of four objects."""
    return {"v": draw(5, 4, 3), "s": draw(5, 4, 1)}


@pytest.fixture
def network():
    """Builds a model by name in float64, its weights from one seed."""

    def build(name, signature, **hparams):
        with torch.random.fork_rng(devices=[]):
            torch.random.manual_seed(0)
            return networks.load(name).build(signature, **hparams).double()

    return build
