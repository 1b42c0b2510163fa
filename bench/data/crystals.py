"""Crystals made here: a pair potential whose energy, forces and stress are known exactly."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor
from vesin import NeighborList

from remul import matrix_to_irreps
from remul.fields import Fields

CUTOFF, STEEPNESS, MIXING = 1.7, 3.0, 0.3
LATTICES = {  # edge of the cubic cell, its repeats along each axis, places in units of its edge
    "sc": (1.0, 2, ((0.0, 0.0, 0.0),)),
    "bcc": (2 / 3**0.5, 2, ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))),
    "fcc": (2**0.5, 1, ((0.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5))),
}


class Crystal(NamedTuple):
    """Positions and species (n, 3) and (n, 1), and the cell (3, 3), its rows lattice vectors."""

    position: Tensor
    species: Tensor
    cell: Tensor


def draw_crystal(lattice: str, displacement: float, strain: float, generator: Generator) -> Crystal:
    """Return a lattice with nearest neighbours 1 apart, strained, and its atoms displaced.

    Both are standard deviations; the species of each atom is -1 or 1 at random.
    """
    edge, repeats, places = LATTICES[lattice]
    corners = torch.cartesian_prod(*3 * [torch.arange(repeats)]).double().view(-1, 1, 3)
    position = edge * (corners + torch.tensor(places).double()).flatten(0, 1)
    bend = strain * torch.randn(3, 3, dtype=torch.float64, generator=generator)
    move = torch.eye(3).double() + (bend + bend.mT) / 2
    noise = torch.randn(position.shape, dtype=torch.float64, generator=generator)
    signs = torch.randint(2, (len(position), 1), generator=generator)
    cell = edge * repeats * move
    return Crystal(position @ move + displacement * noise, (2 * signs - 1).double(), cell)


def join_crystals(crystals: list[Crystal]) -> tuple[Fields, Fields]:
    """Return ragged inputs, with the edges between images nearer than the cut-off, and targets."""
    search = NeighborList(cutoff=CUTOFF, full_list=True, sorted=True, n_threads=1)
    inputs: dict[str, list[Tensor]] = {}
    targets: dict[str, list[Tensor]] = {}
    start = 0
    for index, crystal in enumerate(crystals):
        points, cell = crystal.position.numpy(), crystal.cell.numpy()
        receiver, sender, shift = search.compute(points, cell, True, "ijS")
        edges = torch.stack([torch.from_numpy(side).long() for side in (sender, receiver)])
        images = torch.from_numpy(shift).long()
        own = {
            "position": crystal.position,
            "species": crystal.species,
            "cell": crystal.cell.view(1, 9),
            "batch": torch.full((len(points),), index),
            "edge_index": (start + edges).mT,
            "shift": images,
        }
        start += len(points)
        for name, x in own.items():
            inputs.setdefault(name, []).append(x)
        for name, x in solve(crystal, edges, images).items():
            targets.setdefault(name, []).append(x)
    joint = {name: torch.cat(parts) for name, parts in inputs.items()}
    joint["edge_index"] = joint["edge_index"].mT.contiguous()
    return joint, {name: torch.cat(parts) for name, parts in targets.items()}


def solve(crystal: Crystal, edges: Tensor, shift: Tensor) -> Fields:
    """Return the energy (1, 1), forces (n, 3) and stress (1, 6) of a crystal.

    Edges (2, E) are of all images nearer than the cut-off. The energy of a pair at r is a Morse
    well of depth 1, or 1 +- 0.3 by its two species, times (1 - (r / cut-off)^2)^3. The stress is
    the derivative by the strain over the volume, as 0e+2e.
    """
    position, species, cell = crystal
    sender, receiver = edges
    apart = position[sender] + shift.double() @ cell - position[receiver]
    energy, slope = _pair(apart.norm(dim=1, keepdim=True))
    depth = 1 + MIXING * species[sender] * species[receiver]
    pull = depth * slope * apart / apart.norm(dim=1, keepdim=True)
    force = torch.zeros_like(position).index_add(0, receiver, pull)
    stress = pull.mT @ apart / (2 * torch.linalg.det(cell).abs())
    return {
        "energy": (depth * energy).sum().view(1, 1) / 2,
        "force": force,
        "stress": matrix_to_irreps(stress).view(1, 6),
    }


def _pair(r: Tensor) -> tuple[Tensor, Tensor]:
    """Return the energy of a pair at a distance, and its derivative."""
    decay = (-STEEPNESS * (r - 1)).exp()
    well, well_slope = (1 - decay) ** 2 - 1, 2 * STEEPNESS * (1 - decay) * decay
    inside = 1 - (r / CUTOFF) ** 2
    fade, fade_slope = inside**3, -6 * r / CUTOFF**2 * inside**2
    return well * fade, well_slope * fade + well * fade_slope
