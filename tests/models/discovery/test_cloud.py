"""The exact path is exact, the free one is not, and each has its weights."""

import pytest

from models.discovery.cloud import build
from remul import E3, POINT, SCALAR, VECTOR, Rep, Signature, equivariance_error

BODIES = Signature({"mass": SCALAR, "position": POINT, "velocity": VECTOR}, {"position": POINT})


@pytest.mark.parametrize(("paths", "exact"), [(("exact",), True), (("exact", "free"), False)])
def test_the_exact_path_alone_is_exact(paths, exact, draw, generator):
    inputs = {"mass": draw(3, 4, 1), "position": draw(3, 4, 3), "velocity": draw(3, 4, 3)}
    model = build(BODIES, paths=paths).double()
    g = E3.sample(inputs, generator)
    assert (equivariance_error(model, inputs, BODIES, g).max() < 1e-12) == exact


def test_every_weight_is_of_one_path():
    model = build(BODIES)
    members = [name for names in model.pathways().values() for name in names]
    assert sorted(members) == sorted(name for name, _ in model.named_parameters())


@pytest.mark.parametrize(
    ("signature", "paths"),
    [
        (Signature({"x": VECTOR}, {"x": VECTOR}), ("exact",)),
        (Signature({"x": POINT, "s": Rep("2e")}, {"x": POINT}), ("exact",)),
        (BODIES, ()),
        (BODIES, ("conv",)),
    ],
)
def test_other_signatures_and_paths_are_refused(signature, paths):
    with pytest.raises(ValueError, match=r"cloud takes|paths are"):
        build(signature, paths=paths)


def test_without_a_free_path_there_is_one_group():
    assert [*build(BODIES, paths=("exact",)).pathways()] == ["exact"]
