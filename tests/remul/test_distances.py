"""Distances: the mean over the real objects of fields of any kind."""

import pytest
import torch
from torch.nn.functional import l1_loss, mse_loss
from torch.testing import assert_close

from remul import Rep, field_distance


def test_a_pair_counts_where_both_objects_are_real(draw):
    mask = torch.tensor([[1.0, 1, 0]]).unsqueeze(-1)
    found, wanted = draw(1, 3, 3, 2), draw(1, 3, 3, 2)
    expected = mse_loss(found[:, :2, :2], wanted[:, :2, :2])
    assert_close(field_distance({"bond": found}, {"bond": wanted}, mse_loss, mask), expected)


def test_a_trajectory_counts_where_its_object_is_real(draw):
    mask = torch.tensor([[1.0, 1, 0]]).unsqueeze(-1)
    found, wanted = draw(1, 3, 7, 2), draw(1, 3, 7, 2)
    expected = mse_loss(found[:, :2], wanted[:, :2])
    assert_close(field_distance({"path": found}, {"path": wanted}, mse_loss, mask), expected)


def test_a_field_without_objects_counts_in_full(draw):
    mask = torch.tensor([[1.0, 1, 0]]).unsqueeze(-1)
    found, wanted = draw(1, 2), draw(1, 2)
    distance = field_distance({"energy": found}, {"energy": wanted}, mse_loss, mask)
    assert_close(distance, mse_loss(found, wanted))


def test_fields_may_have_distances_of_their_own(draw):
    found, wanted = ({"energy": draw(2, 1), "force": draw(2, 3, 3)} for _ in range(2))
    weighed = {"energy": lambda x, y: 4 * mse_loss(x, y), "force": mse_loss}
    expected = 4 * mse_loss(found["energy"], wanted["energy"])
    expected += mse_loss(found["force"], wanted["force"])
    assert_close(field_distance(found, wanted, weighed), expected)


def test_a_field_without_a_distance_is_named(draw):
    with pytest.raises(ValueError, match="'force' has no distance"):
        field_distance({"force": draw(2, 3)}, {"force": draw(2, 3)}, {"energy": mse_loss})


MASK = torch.tensor([1.0, 1, 0]).view(1, 3, 1)
TYPED = {  # what counts where two of three objects are real
    "a series as long as there are objects": (1, lambda x: x[:, :2]),
    "pairs": (2, lambda x: x[:, :2, :2]),
}


@pytest.mark.parametrize(("objects", "real"), TYPED.values(), ids=TYPED)
def test_a_type_says_what_the_mask_is_of(objects, real, draw):
    found, wanted = draw(1, 3, 3, 2), draw(1, 3, 3, 2)
    types = {"x": Rep("2x0e", objects=objects)}
    distance = field_distance({"x": found}, {"x": wanted}, mse_loss, MASK, types)
    assert_close(distance, mse_loss(real(found), real(wanted)))


@pytest.mark.parametrize("shape", [(1, 5, 1), (3, 3, 1), (2, 3, 1), (2, 3)], ids=str)
def test_a_mask_of_others_is_refused(shape, draw):
    x = {"x": draw(1, 3, 2)}
    with pytest.raises(ValueError, match="the mask is"):
        field_distance(x, x, mse_loss, torch.ones(shape))


def test_a_mask_of_other_samples_is_refused_for_their_energies(draw):
    x = {"energy": draw(2, 1)}
    with pytest.raises(ValueError, match="they need one batch"):
        field_distance(x, x, mse_loss, MASK)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_targets_may_be_whole_numbers(mask):
    target = {"x": torch.tensor([1, 2, 9]).view(1, 3, 1)}
    prediction = {"x": torch.tensor([2.0, 3, 10]).view(1, 3, 1)}
    assert field_distance(prediction, target, l1_loss, mask) == 1


NO_FIELDS = {"a tensor": MASK, "none": None, "a number": {"x": 1.0}, "no field": {}}


@pytest.mark.parametrize("fields", NO_FIELDS.values(), ids=NO_FIELDS)
def test_what_is_no_fields_is_told(fields):
    with pytest.raises(ValueError, match=r"fields are tensors|has to be a tensor|at least one"):
        field_distance(fields, fields, mse_loss)


NO_DISTANCES = {
    "a class": (torch.nn.MSELoss, "a function of two tensors"),
    "a text": ("mse", "a function of two tensors"),
    "none": (None, "a function of two tensors"),
    "each entry": (torch.nn.MSELoss(reduction="none"), r"gives a tensor \(1, 3, 2\)"),
    "a number": (lambda x, y: 1.0, "gives 1.0"),
}


@pytest.mark.parametrize(("distance", "words"), NO_DISTANCES.values(), ids=NO_DISTANCES)
def test_what_is_no_distance_is_told(distance, words, draw):
    x = {"x": draw(1, 3, 2)}
    with pytest.raises(ValueError, match=words):
        field_distance(x, x, distance)


def test_only_fields_of_the_target_are_masked(draw):
    x = {"x": draw(1, 3, 2)}
    assert field_distance(x | {"spare": draw(1, 5, 2)}, x, mse_loss, MASK) == 0
