"""Molecules in GFN2-xTB dynamics, made here: energy and forces of a single frame."""

from bench import Task
from bench.data import molecules
from bench.data.xtb_md import load_trajectory
from bench.system.progress import print_progress

VERSION = 3
UNITS = {"energy": "kcal/mol", "force": "kcal/mol/Å"}


def load(
    seed: int,
    molecule: str = "ethanol",
    frames: int = 20_000,
    train: int = 1000,
    val: int = 1000,
    test: int = 1000,
    trajectory: int = 0,
) -> Task:
    """Energy, in kcal/mol less the mean of the training split, and forces in kcal/mol/Å.

    Inputs are the positions of all atoms in Å and their elements, one-hot. Scores of its own: mean
    absolute errors, and what turns change in energies per atom and in forces. Data, split and
    errors are those of the task `md_gfn2` (GFN2-xTB: Bannwarth et al. 2019).
    """
    sizes = {"train": train, "val": val, "test": test}
    chosen = molecules.block_by_time(seed, frames, 0, sizes)
    found = load_trajectory(molecule, frames, trajectory, print_progress(f"md_gfn2 {molecule}"))
    return molecules.forces(found, chosen)
