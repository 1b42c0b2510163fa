"""Squared errors sample by sample, whatever form samples have."""

import pytest
import torch

from bench.training.scores import SCORE_CHUNK, squared_errors
from remul import SCALAR, VECTOR, Batch

TYPES = {"velocity": VECTOR}


class Zero(torch.nn.Module):
    """Says that nothing moves."""

    def forward(self, inputs):
        return {"velocity": torch.zeros_like(inputs["velocity"])}


def test_every_sample_of_every_chunk_counts():
    x = torch.randn(SCORE_CHUNK + 7, 3, 3)
    data = Batch({"velocity": x}, {"velocity": 2 * x})
    errors = squared_errors(Zero(), data, TYPES)
    squares = (2 * x).double().square()
    assert torch.allclose(errors.of_samples, squares.mean((1, 2)))
    assert errors.mean == pytest.approx(squares.mean().item())


def test_objects_that_are_padded_count_nothing():
    x = torch.full((2, 4, 3), 5.0)
    mask = torch.tensor([[1.0, 1, 1, 1], [1.0, 0, 0, 0]])[..., None]
    x[1, 0] = 2.0
    data = Batch({"velocity": x, "mask": mask}, {"velocity": x})
    assert squared_errors(Zero(), data, TYPES).of_samples.tolist() == [25, 4]


def test_rows_of_ragged_samples_belong_to_their_sample():
    x = torch.tensor([[1.0] * 3, [3.0] * 3, [2.0] * 3])
    batch = torch.tensor([0, 0, 1])
    data = Batch({"velocity": x, "batch": batch}, {"velocity": x})
    assert squared_errors(Zero(), data, TYPES).of_samples.tolist() == [5, 4]


def test_fields_are_summed():
    class Both(torch.nn.Module):
        def forward(self, inputs):
            return {name: torch.zeros_like(x) for name, x in inputs.items()}

    fields = {"velocity": torch.ones(2, 3, 3), "energy": torch.full((2, 1), 2.0)}
    types = {**TYPES, "energy": SCALAR}
    assert squared_errors(Both(), Batch(fields, fields), types).of_samples.tolist() == [5, 5]
