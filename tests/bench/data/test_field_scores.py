"""Errors field by field, of predictions made by hand."""

import pytest
import torch

from bench.data.field_scores import mean_errors
from remul import Batch

OFF = {"energy": torch.tensor([[3.0], [-1.0]]), "force": torch.tensor([[[0.0, 0.0, 2.0]]] * 2)}


@pytest.fixture
def scores():
    inputs = {"position": torch.zeros(2, 1, 3)}
    batch = Batch(inputs, {name: torch.zeros_like(x) for name, x in OFF.items()})
    return {name: measure(lambda _: OFF) for name, measure in mean_errors(batch).items()}


def test_a_mean_absolute_error_is_that_of_components(scores):
    assert (scores["energy_mae"], scores["force_mae"]) == pytest.approx((2, 2 / 3))


def test_a_root_of_mean_squares_weighs_large_errors_more(scores):
    assert (scores["energy_rmse"], scores["force_rmse"]) == pytest.approx((5**0.5, (4 / 3) ** 0.5))
