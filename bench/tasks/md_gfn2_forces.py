"""Molecules in GFN2-xTB dynamics, made here: energy and forces of a single frame."""

from dataclasses import replace
from functools import partial

from bench import Task
from bench.data import dynamics, molecules
from bench.data.xtb_md import load_trajectory
from bench.system.progress import print_progress

VERSION = 3
TRAJECTORIES = 8  # of the dynamics
UNITS = {"energy": "kcal/mol", "force": "kcal/mol/Å"}


def load(
    seed: int,
    molecule: str = "ethanol",
    frames: int = 20_000,
    train: int = 1000,
    val: int = 1000,
    test: int = 1000,
    trajectory: int = 0,
    dynamics_ps: float = 0.0,
) -> Task:
    """Energy, in kcal/mol less the mean of the training split, and forces in kcal/mol/Å.

    Inputs are the positions of all atoms in Å and their elements, one-hot. Scores of its own: mean
    absolute errors, roots of mean squares, and what turns change in energies per atom and in
    forces; with `dynamics_ps`, how total energies drift in dynamics of that length, in multiples of
    0.05 ps, from 8 test frames at most. Data, split and errors are those of the task `md_gfn2`
    (GFN2-xTB: Bannwarth et al. 2019); raises `ValueError` for another length of dynamics, too.
    """
    dynamics.check_length(dynamics_ps)
    sizes = {"train": train, "val": val, "test": test}
    chosen = molecules.block_by_time(seed, frames, 0, sizes)
    found = load_trajectory(molecule, frames, trajectory, print_progress(f"md_gfn2 {molecule}"))
    task = molecules.forces(found, chosen)
    if not dynamics_ps:
        return task
    frames = task.test[:: -(-test // TRAJECTORIES)].inputs
    return replace(
        task, profile=partial(dynamics.energy_drift, inputs=frames, picoseconds=dynamics_ps)
    )
