"""Linear maps have the symmetry that their kind says."""

import pytest
import torch

from bench.tasks.linear_maps import GROUPS, KINDS, WEIGHTS, _ring, load, matrix_of
from remul import equivariance_error

N = {"quarter_turns": 9}
SYMMETRIC = ("circulant", "quarter_turns", "planar")


class Linear(torch.nn.Module):
    def __init__(self, matrix):
        super().__init__()
        self.matrix = matrix

    def forward(self, inputs):
        return {"y": inputs["x"] @ self.matrix.mT}


def model_of(kind):
    generator = torch.Generator().manual_seed(0)
    return Linear(KINDS[kind](N.get(kind, 8), WEIGHTS["normal"], generator))


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_has_the_symmetry_of_its_kind(kind, generator):
    task = load(0, n=N.get(kind, 8), kind=kind, test=20)
    inputs = {"x": task.test.inputs["x"]}
    g = task.group.sample(inputs, generator)
    error = equivariance_error(model_of(kind), inputs, task.signature, g).max()
    assert (error < 1e-5) == (kind in SYMMETRIC)


@pytest.mark.parametrize("kind", KINDS)
def test_the_map_itself_has_no_excess(kind):
    task = load(0, n=N.get(kind, 8), kind=kind, train=30, test=2)
    assert task.scores["excess_mse"](model_of(kind)) < 1e-10


def test_the_matrix_of_a_model_is_what_it_does():
    model = model_of("unstructured")
    torch.testing.assert_close(matrix_of(model, 8), model.matrix)


def test_a_grid_has_to_be_square():
    with pytest.raises(ValueError, match="n = 8"):
        load(0, kind="quarter_turns")


def test_every_group_is_of_a_kind():
    assert GROUPS.keys() <= KINDS.keys()
    assert len(_ring(5)) == 5
