"""Inertia: two masses at the ends of a rod, and clouds of the sizes that were asked for."""

import pytest
import torch
from torch.testing import assert_close

from bench.tasks import inertia
from remul import irreps_to_matrix


def test_a_rod_is_as_the_reduced_mass_says():
    mass = torch.tensor([[1.0], [3.0]]).double()
    ends = torch.tensor([[0.0, 0, 0], [0, 2, 0]]).double() + 5
    found = inertia.measure_inertia(mass, ends, torch.zeros(2, dtype=torch.long))
    moment = (1 * 3 / 4) * 2**2 / 4  # reduced mass times length squared, for each unit of mass
    expected = torch.diag(torch.tensor([moment, 0, moment]).double())
    assert_close(irreps_to_matrix(found)[0], expected)


def test_clouds_have_the_sizes_that_were_asked_for():
    task = inertia.load(0, 60, 1, 1, 1, smallest=3, largest=7)
    assert set(task.train.inputs["batch"].bincount().tolist()) == {3, 4, 5, 6, 7}


def test_a_single_point_is_refused():
    with pytest.raises(ValueError, match="2 <= smallest <= largest"):
        inertia.load(0, smallest=1)
