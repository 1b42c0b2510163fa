"""Linear maps have the symmetry that their kind says."""

import pytest
import torch

from bench.data.maps import GROUPS, KINDS, draw_map
from bench.tasks import many_maps
from bench.tasks.linear_maps import load, matrix_of
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
    return Linear(draw_map(kind, N.get(kind, 8), generator))


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


class LeastSquares(torch.nn.Module):
    def forward(self, inputs):
        given = {name: x.double() for name, x in inputs.items()}
        fitted = torch.linalg.lstsq(given["support"], given["answer"]).solution
        return {"response": given["query"] @ fitted}


@pytest.mark.parametrize("kind", KINDS)
def test_least_squares_has_all_of_its_error(kind):
    task = many_maps.load(0, n=N.get(kind, 8), kind=kind, train=1, val=1, test=3)
    assert task.scores["of_least_squares"](LeastSquares()) == pytest.approx(1)


def test_a_support_has_to_determine_the_map():
    with pytest.raises(ValueError, match="more than 8"):
        many_maps.load(0, support=8)
