"""Checks of fields against their types; tests of losses and measures have the messages."""

import numpy as np
import pytest
import torch

from remul import POINT, VECTOR, Rep
from remul.checks import check, predict


@pytest.mark.parametrize("shape", [(2, 1, 4), (2, 5, 1), (2, 4), (2, 4, 2)])
def test_a_mask_of_another_shape_is_refused(shape):
    fields = {"x": torch.zeros(2, 4, 3), "mask": torch.ones(shape)}
    with pytest.raises(ValueError, match=r"'mask' is .* \(batch, n, 1\)"):
        check(fields, {"x": POINT})


WRONG = {  # fields by `objects`, beside a mask of four objects
    "a cell of rows": (0, (2, 3, 3)),
    "a series of the sample": (0, (2, 4, 3)),
    "other objects": (1, (2, 5, 3)),
    "pairs of others": (2, (2, 4, 5, 3)),
    "pairs of one axis": (2, (2, 4, 3)),
    "pairs of the sample": (2, (2, 3)),
}


@pytest.mark.parametrize(("objects", "shape"), WRONG.values(), ids=WRONG)
def test_a_field_without_the_axes_of_its_objects_is_refused(objects, shape):
    fields = {"p": torch.zeros(2, 4, 3), "x": torch.zeros(shape), "mask": torch.ones(2, 4, 1)}
    with pytest.raises(ValueError, match=rf"'x' is .* as objects={objects} it has to be \(batch"):
        check(fields, {"p": POINT, "x": Rep("1o", objects=objects)})


@pytest.mark.parametrize(("objects", "shape"), [(0, (2, 3)), (1, (2, 4, 4, 3)), (2, (2, 4, 4, 3))])
def test_a_field_with_them_is_not(objects, shape):
    fields = {"p": torch.zeros(2, 4, 3), "x": torch.zeros(shape), "mask": torch.ones(2, 4, 1)}
    assert check(fields, {"p": POINT, "x": Rep("1o", objects=objects)}).size == 2


def test_a_ragged_field_of_the_sample_has_no_further_axes():
    fields = {"batch": torch.tensor([0, 0, 1]), "x": torch.zeros(2, 3, 3)}
    with pytest.raises(ValueError, match=r"'x' is \(2, 3, 3\)"):
        check(fields, {"x": Rep("1o", objects=0)})


def test_an_array_is_named_by_its_kind():
    with pytest.raises(ValueError, match=r"'x' has to be a tensor .* got a ndarray$"):
        check({"x": np.zeros((2, 4, 3))}, {"x": POINT})


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool])
def test_whole_outputs_are_refused(dtype):
    inputs = {"x": torch.zeros(2, 4, 3)}
    with pytest.raises(ValueError, match=f"field 'y' in {dtype}; it has to be floating"):
        predict(lambda fields: {"y": fields["x"].to(dtype)}, inputs, {"y": VECTOR})


def test_a_model_may_take_fields_out_of_its_inputs():
    inputs = {"x": torch.zeros(2, 4, 3)}
    predict(lambda fields: {"y": fields.pop("x")}, inputs, {"y": VECTOR})
    assert list(inputs) == ["x"]
