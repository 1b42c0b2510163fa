"""Indices that do not fit are refused by name, with what would be right."""

import pytest
import torch
from forms import draw_forms, network
from torch.nn.functional import mse_loss

import remul
from remul import SO3, Batch

WRONG = {
    "batch of floats": (
        {"batch": [0.0, 0, 0, 1, 2, 2]},
        r"'batch' is torch.float32 .*int64 \(N,\)",
    ),
    "batch of two axes": (
        {"batch": [[0, 0, 0, 1, 2, 2]]},
        r"'batch' .* \(1, 6\), not int64 \(N,\)",
    ),
    "batch too short": ({"batch": [0, 0, 1, 2]}, r"'edge_index' goes beyond the objects, 0 to 3"),
    "batch unsorted": ({"batch": [0, 1, 0, 1, 2, 2]}, "'batch' is not sorted"),
    "batch from 1": ({"batch": [1, 1, 1, 2, 3, 3]}, "'batch' skips a sample"),
    "batch below 0": ({"batch": [-1, -1, -1, 0, 1, 1]}, "'batch' skips a sample"),
    "an empty sample": ({"batch": [0, 0, 0, 2, 3, 3]}, "'batch' skips a sample"),
    "no samples": ({"batch": torch.zeros(0).long()}, "'batch' is empty"),
    "edges of floats": ({"edge_index": torch.ones(2, 14)}, r"'edge_index' .*int64 \(2, E\)"),
    "edges turned": ({"edge_index": torch.ones(14, 2).long()}, r"'edge_index' .*int64 \(2, E\)"),
    "edges too high": ({"edge_index": torch.full((2, 14), 6)}, "'edge_index' .*, 0 to 5"),
    "edges too low": ({"edge_index": torch.full((2, 14), -1)}, "'edge_index' .*, 0 to 5"),
    "edges across": ({"edge_index": torch.tensor([[0] * 14, [5] * 14])}, "different samples"),
    "edges without rows": ({"edge_index": torch.zeros(2, 3).long()}, r"'shift' .*int64 \(E, 3\)"),
    "shift of floats": ({"shift": torch.zeros(14, 3)}, r"'shift' .*int64 \(E, 3\)"),
    "shift of the plane": ({"shift": torch.zeros(14, 2).long()}, r"'shift' .*int64 \(E, 3\)"),
    "a mask beside": ({"mask": torch.ones(6, 1)}, "'mask' is of padded samples"),
    "objects missing": ({"v": torch.zeros(5, 3)}, "'v' has length 5 for 6 objects"),
    "edges missing": ({"w": torch.zeros(5, 4)}, "'w' has length 5 for 14 edges"),
    "samples missing": ({"t": torch.zeros(2, 1)}, "'t' has length 2 for 3 samples"),
}
LEFT_OUT = {
    "batch": (["batch"], "'shift' needs 'batch'"),
    "batch of edges": (["batch", "shift"], "'edge_index' needs 'batch'"),
    "edges of shifts": (["edge_index"], "'shift' needs 'edge_index'"),
    "edges of fields": (["edge_index", "shift"], "fields of edges need 'edge_index'"),
}


@pytest.fixture
def form(generator):
    return draw_forms((3, 1, 2), generator)[1]


def as_tensor(value):
    return value if isinstance(value, torch.Tensor) else torch.tensor(value)


CALLS = {
    "act": lambda x, form, g: remul.act(g, x, form.signature.inputs),
    "loss_terms": lambda x, form, g: remul.loss_terms(
        network, Batch(x, form.batch.targets), form.signature, g, mse_loss
    ),
    "consistency_loss": lambda x, form, g: remul.consistency_loss(
        network, x, form.signature, g, mse_loss
    ),
    "expected_error": lambda x, form, g: remul.expected_error(network, x, form.signature, g),
    "lie_error_by_field": lambda x, form, g: remul.lie_error_by_field(network, x, form.signature),
    "error_spectrum": lambda x, form, g: remul.error_spectrum(network, x, form.signature, 0),
    "frame_average": lambda x, form, g: remul.frame_average(network, form.signature)(x),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("changed", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(call, changed, words, form, generator):
    g = SO3.sample(form.inputs, generator)
    wrong = form.inputs | {name: as_tensor(x) for name, x in changed.items()}
    with pytest.raises(ValueError, match=words):
        call(wrong, form, g)


@pytest.mark.parametrize(("names", "words"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_missing_is_named(names, words, form, generator):
    left = {name: x for name, x in form.inputs.items() if name not in names}
    with pytest.raises(ValueError, match=words):
        remul.act(SO3.sample({"t": form.inputs["t"]}, generator), left, form.signature.inputs)


@pytest.mark.parametrize("name", ["batch", "edge_index", "shift"])
@pytest.mark.parametrize("side", [0, 1])
def test_an_index_has_no_type(name, side):
    sides = [{"x": remul.VECTOR}, {"x": remul.VECTOR}]
    sides[side] = {name: remul.SCALAR}
    with pytest.raises(ValueError, match=f"{name!r} is kept for indices"):
        remul.Signature(*sides)


def test_an_output_of_another_number_of_objects_is_named(form, generator):
    model = lambda inputs: network(inputs) | {"p": inputs["t"].expand(-1, 3)}  # noqa: E731
    with pytest.raises(ValueError, match=r"'p' as \(3, 3\) for 6 objects"):
        remul.expected_error(model, form.inputs, form.signature, SO3.sample(form.inputs, generator))


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([[1, 0, 2]], "out of their sample of 'batch'"),
        ([[1, 0]], "'batch' has samples of up to 3 objects, the permutation is of 2"),
    ],
)
def test_a_permutation_keeps_objects_in_their_sample(order, words, form):
    with pytest.raises(ValueError, match=words):
        remul.act(remul.Permutation(torch.tensor(order)), form.inputs, form.signature.inputs)
