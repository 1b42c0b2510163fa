"""What turns: one generator or several, of a group of motions or of matrices, and what rests."""

import pytest
import torch
from torch.nn.functional import mse_loss

from remul import (
    SCALAR,
    SO3,
    VECTOR,
    Batch,
    PlanarGroup,
    Rep,
    Signature,
    lie_derivative,
    lie_derivative_error,
    lie_error_by_field,
    lie_terms,
    random_axes,
)
from remul.losses import EQUIVARIANCE

ARROWS = Signature({"x": VECTOR}, {"x": VECTOR})
PLANE = Rep("2x0e", space="plane")
turn = PlanarGroup({"plane": (1,), "mixed": (0, 1, 0)}).rotation
SKEW = torch.tensor([1.0, 2.0]).double()


def leaning(inputs):
    return {"x": inputs["x"] * torch.tensor([1.0, 2, 3]).double()}


@pytest.fixture
def arrows(draw):
    return {"x": draw(5, 4, 3)}


GENERATORS = {
    "an axis": lambda x: "z",
    "random axes": lambda x: random_axes(x, torch.Generator().manual_seed(0)),
}


MEASURES = {
    "error": lambda x, turns: lie_derivative_error(leaning, x, ARROWS, turns),
    "by field": lambda x, turns: lie_error_by_field(leaning, x, ARROWS, turns)["x"],
    "loss": lambda x, turns: lie_terms(leaning, Batch(x, x), ARROWS, turns, mse_loss)[EQUIVARIANCE],
}
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@every_measure
@pytest.mark.parametrize("make", GENERATORS.values(), ids=GENERATORS)
def test_one_generator_may_come_alone(make, measure, arrows):
    generator = make(arrows)
    assert torch.equal(measure(arrows, generator), measure(arrows, iter([generator])))


def test_a_group_of_the_plane_may_come_alone(draw):
    inputs, signature = {"x": draw(3, 4, 2)}, Signature({"x": PLANE}, {"y": PLANE})
    model = lambda x: {"y": x["x"] * SKEW}  # noqa: E731
    alone, listed = (lie_derivative_error(model, inputs, signature, g) for g in (turn, [turn]))
    assert torch.equal(alone, listed)
    assert alone.min() > 0


@every_measure
@pytest.mark.parametrize("wrap", [lambda g: g, lambda g: [g]], ids=["alone", "listed"])
@pytest.mark.parametrize("other", [SO3.sample({"x": torch.zeros(5, 3)}, torch.Generator()), SO3, 2])
def test_other_generators_are_named_by_their_type(other, wrap, measure, arrows):
    message = rf"^no generator of type {type(other).__name__}; there are x, y, z and functions.*$"
    with pytest.raises(ValueError, match=message):
        measure(arrows, wrap(other))


def test_a_derivative_along_another_generator_is_refused(arrows):
    with pytest.raises(ValueError, match="no generator of type int"):
        lie_derivative(leaning, arrows, ARROWS, 2)


def test_the_model_is_called_once_for_each_generator(arrows):
    calls = []
    lie_derivative_error(lambda x: calls.append(x) or leaning(x), arrows, ARROWS)
    assert len(calls) == 3


def by_first(inputs):
    """Exact in b, and not in a."""
    return {"y": inputs["b"] + inputs["a"] * SKEW}


def by_both(inputs):
    """Not exact in a; b weighs it by what no turn of the plane moves."""
    return {"y": inputs["a"] * inputs["b"][..., :1] * SKEW}


CASES = {
    "two of the plane": (by_first, PLANE),
    "an arrow without a space": (by_both, VECTOR),
    "a number without a space": (by_both, SCALAR),
    "an invariant component": (by_both, Rep("4x0e", space="mixed")),
}


@pytest.mark.parametrize(("model", "rep"), CASES.values(), ids=CASES)
def test_a_group_of_matrices_finds_the_field_that_breaks_it(model, rep, draw):
    signature = Signature({"a": PLANE, "b": rep}, {"y": PLANE})
    inputs = {"a": draw(3, 4, 2), "b": draw(3, 4, rep.dim)}
    errors = lie_error_by_field(model, inputs, signature, [turn])
    assert errors["a"].min() > 1e-6
    assert errors["b"].max() < 1e-24


def test_generators_of_two_kinds_each_have_their_own_rest(draw):
    """The axis turns v alone, the plane u alone, and each keeps the other."""
    signature = Signature({"u": PLANE, "v": VECTOR}, {"y": VECTOR})
    inputs = {"u": draw(3, 4, 2), "v": draw(3, 4, 3)}
    model = lambda x: {"y": x["v"] * x["u"][..., :1]}  # noqa: E731
    both = lie_error_by_field(model, inputs, signature, ["z", turn])
    apart = [lie_error_by_field(model, inputs, signature, g) for g in ("z", turn)]
    assert torch.equal(both["u"], apart[0]["u"] + apart[1]["u"])
    assert both["u"].min() > 1e-6


def test_a_field_of_another_width_than_its_space_is_refused(draw):
    rep = Rep("3x0e", space="plane")
    with pytest.raises(ValueError, match="the group element acts on"):
        lie_error_by_field(lambda x: x, {"x": draw(3, 3)}, Signature({"x": rep}, {"x": rep}), turn)
