"""Molecules of different size in GFN2-xTB dynamics, side by side: energy and forces of a frame."""

from collections.abc import Sequence

from bench import Task
from bench.data import molecules as data
from bench.tasks import md_gfn2_forces

VERSION = 2
UNITS = {"energy": "kcal/mol", "force": "kcal/mol/Å"}


def load(
    seed: int,
    molecules: Sequence[str] = ("ethanol", "benzene"),
    frames: int = 20_000,
    train: int = 1000,
    val: int = 500,
    test: int = 500,
    trajectory: int = 0,
) -> Task:
    """The task `md_gfn2_forces` of several molecules at once, ragged, as many samples of each.

    Energies are less the mean of each molecule's own training split. Raises `ValueError` as that
    task does, and without a molecule.
    """
    if not molecules:
        raise ValueError("molecules have to be at least one")
    sizes = {"train": train, "val": val, "test": test}
    tasks = [
        md_gfn2_forces.load(seed, name, frames, **sizes, trajectory=trajectory)
        for name in molecules
    ]
    return data.side_by_side(tasks)
