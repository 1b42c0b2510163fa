"""Crystals: forces and stress are derivatives of the energy, in any cell of the same crystal."""

import pytest
import torch
from torch.testing import assert_close

from bench.data.crystals import LATTICES, Crystal, draw_crystal, join_crystals
from bench.tasks import crystal
from remul import irreps_to_matrix

STEP = 1e-6


@pytest.fixture(params=LATTICES)
def drawn(request, generator):
    return draw_crystal(request.param, 0.05, 0.03, generator)


def solve(*crystals):
    return join_crystals([*crystals])[1]


def slope(make):
    """The derivative of the energy by a number, at 0."""
    ahead, behind = (solve(make(step))["energy"] for step in (STEP, -STEP))
    return (ahead - behind).squeeze() / (2 * STEP)


def test_forces_are_minus_the_slope_of_the_energy(drawn, draw):
    way = draw(*drawn.position.shape)
    power = slope(lambda t: drawn._replace(position=drawn.position + t * way))
    assert_close(-(solve(drawn)["force"] * way).sum(), power, rtol=0, atol=1e-7)


def test_the_stress_is_the_slope_by_the_strain(drawn, draw):
    bend = draw(3, 3)
    bend = bend + bend.mT

    def strain(t):
        move = torch.eye(3).double() + t * bend
        return Crystal(drawn.position @ move, drawn.species, drawn.cell @ move)

    stress = irreps_to_matrix(solve(drawn)["stress"])[0]
    power = slope(strain) / torch.linalg.det(drawn.cell)
    assert_close((stress * bend).sum(), power, rtol=0, atol=1e-7)


def test_another_image_of_an_atom_and_another_cell_are_the_same_crystal(drawn):
    moved = drawn.position.clone()
    moved[0] += drawn.cell[1]
    assert_close(solve(drawn._replace(position=moved)), solve(drawn))
    sheared = drawn.cell + torch.tensor([[0.0], [1], [0]]).double() * drawn.cell[2]
    assert_close(solve(drawn._replace(cell=sheared)), solve(drawn))


def test_crystals_side_by_side_are_as_alone(generator):
    crystals = [draw_crystal(name, 0.05, 0.03, generator) for name in LATTICES]
    alone = [solve(each) for each in crystals]
    together = solve(*crystals)
    assert_close(together, {name: torch.cat([a[name] for a in alone]) for name in together})


def test_negative_deviations_are_refused():
    with pytest.raises(ValueError, match="deviations have to be at least 0"):
        crystal.load(0, 1, 1, 1, 1, strain=-0.1)
