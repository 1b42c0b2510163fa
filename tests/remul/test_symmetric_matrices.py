"""Symmetric matrices as 0e+2e: they turn as their components do."""

import pytest
import torch
from torch.testing import assert_close

from remul import O3, Rep, act, irreps_to_matrix, matrix_to_irreps

TYPES = {"tensor": Rep("0e+2e", objects=0)}


@pytest.fixture
def matrix(draw):
    x = draw(5, 3, 3)
    return x + x.mT


def test_components_turn_as_the_matrix_does(matrix, generator):
    g = O3.sample({"tensor": matrix.flatten(1)}, generator)
    turned = g.rotation @ matrix @ g.rotation.mT
    components = act(g, {"tensor": matrix_to_irreps(matrix)}, TYPES)["tensor"]
    assert_close(components, matrix_to_irreps(turned), rtol=0, atol=1e-12)


def test_lengths_are_kept_and_the_way_back_is_one(matrix):
    components = matrix_to_irreps(matrix)
    assert_close(components.norm(dim=-1), torch.linalg.matrix_norm(matrix))
    assert_close(irreps_to_matrix(components), matrix)


def test_the_unit_matrix_is_a_scalar():
    components = matrix_to_irreps(torch.eye(3))
    assert_close(components, torch.tensor([3**0.5, 0, 0, 0, 0, 0]))


@pytest.mark.parametrize("convert", [matrix_to_irreps, irreps_to_matrix])
def test_other_shapes_are_refused(convert):
    with pytest.raises(ValueError, match=r"got \(2, 4\)"):
        convert(torch.zeros(2, 4))


@pytest.mark.parametrize("convert", [matrix_to_irreps, irreps_to_matrix])
def test_whole_numbers_count_as_floats(convert):
    x = torch.tensor([[1, 2, 0], [2, -1, 3], [0, 3, 4]])
    x = x if convert is matrix_to_irreps else x.flatten()[:6]
    assert_close(convert(x), convert(x.float()), rtol=0, atol=0)


@pytest.mark.parametrize("convert", [matrix_to_irreps, irreps_to_matrix])
def test_a_list_is_no_tensor(convert):
    with pytest.raises(ValueError, match="a tensor is needed, got a list"):
        convert([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
