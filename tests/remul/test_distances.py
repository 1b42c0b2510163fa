"""Distances: the mean over the real objects of fields of any kind."""

import pytest
import torch
from torch.nn.functional import mse_loss
from torch.testing import assert_close

from remul import field_distance


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
