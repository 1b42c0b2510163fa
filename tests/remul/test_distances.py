"""Distances: the mean over the real objects of fields of any kind."""

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
