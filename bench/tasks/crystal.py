"""Crystals of 4 to 16 atoms in a periodic cell: energy, forces and stress, exact labels."""

from dataclasses import replace

import torch
from torch import Generator

from bench import Task
from bench.data.crystals import LATTICES, draw_crystal, join_crystals
from bench.data.field_scores import mean_errors
from bench.data.poses import make_posed_task
from remul import POINT, SCALAR, VECTOR, Batch, Rep, Signature

SIGNATURE = Signature(
    {"species": SCALAR, "position": POINT, "cell": Rep("3x1o", objects=0)},
    {
        "energy": Rep("0e", objects=0),
        "force": VECTOR,
        "stress": Rep("0e+2e", objects=0),
    },
)
OBJECTS = {name: rep.objects for name, rep in {**SIGNATURE.inputs, **SIGNATURE.outputs}.items()}
ATOM = -1.35  # energy of an atom, about the mean over these crystals


def load(
    seed: int,
    train: int = 1000,
    val: int = 200,
    test: int = 200,
    ood: int = 200,
    displacement: float = 0.05,
    strain: float = 0.03,
    turn_deg: float = 10.0,
    ood_deg: tuple[float, float] = (90.0, 180.0),
) -> Task:
    """Simple, body- and face-centred cubic lattices of two species, strained and displaced.

    Nearest neighbours are about 1 apart; `displacement` and `strain` are standard deviations. The
    pair potential is that of `bench.data.crystals.solve`, edges join all images nearer than its
    cut-off. The energy is that of the cell, less -1.35 for each atom; the stress is 0e+2e. Units
    are arbitrary; fields are float32 and ragged. Turned by angles uniform in [0, turn_deg] degrees,
    in the split "ood" by those in `ood_deg`. Scores of its own: mean absolute errors and roots of
    mean squares of each field. Raises `ValueError` for sizes below 1, negative deviations and
    angles outside [0, 180].
    """
    if min(displacement, strain) < 0:
        raise ValueError(f"deviations have to be at least 0, got {displacement} and {strain}")

    def draw(size: int, generator: Generator) -> Batch:
        kinds = torch.randint(len(LATTICES), (size,), generator=generator).tolist()
        names = [*LATTICES]
        inputs, targets = join_crystals(
            [draw_crystal(names[kind], displacement, strain, generator) for kind in kinds]
        )
        targets["energy"] -= ATOM * inputs["batch"].bincount()[:, None]
        return Batch(inputs, targets, OBJECTS)

    sizes = {"train": train, "val": val, "test": test, "ood": ood}
    task = make_posed_task(draw, SIGNATURE, seed, sizes, turn_deg, ood_deg)
    return replace(task, scores=mean_errors(task.test))
