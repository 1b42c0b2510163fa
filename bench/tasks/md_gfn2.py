"""Molecules in GFN2-xTB dynamics, made here: where are the heavy atoms 1.5 ps later?"""

from collections.abc import Callable

from bench import Task
from bench.data import molecules
from bench.data.xtb_md import describe, load_trajectory
from bench.system.progress import print_progress

VERSION = 1
SOURCE = {
    "kind": "generated",
    "from": "simulated here with GFN2-xTB (Bannwarth et al. 2019) by tblite, extra [xtb]; "
    "this is not MD17",
    "terms": "none",
}


def load(
    seed: int,
    molecule: str = "ethanol",
    frames: int = 20_000,
    delta: int = 3000,
    train: int = 500,
    val: int = 500,
    test: int = 500,
    trajectory: int = 0,
) -> Task:
    """The heavy atoms of a molecule `delta` frames of 0.5 fs later, as in the task `md17`.

    Data are GFN2-xTB dynamics at constant energy near 500 K, in which the molecule turns as a
    whole; `trajectory` is their seed. The first 60 % of the frames train, the next 20 % validate,
    the last 20 % test, no target beyond its part; `seed` draws the training frames. Raises
    `ValueError` for another molecule, for more samples than there are, a delta below 1, and without
    the extra.
    """
    if delta < 1:
        raise ValueError(f"delta has to be at least 1 frame, got {delta}")
    sizes = {"train": train, "val": val, "test": test}
    starts = molecules.block_by_time(seed, frames, delta, sizes)
    found = load_trajectory(molecule, frames, trajectory, print_progress(f"md_gfn2 {molecule}"))
    return molecules.heavy_atoms(found, starts, delta)


def make(
    molecule: str = "ethanol",
    frames: int = 20_000,
    trajectory: int = 0,
    *,
    progress: Callable[[float, float], None],
) -> None:
    """Makes a trajectory, and tells its mean temperature and how well it keeps its energy."""
    found = load_trajectory(molecule, frames, trajectory, progress)
    print(f"GFN2-xTB {molecule}, {frames} frames: {describe(found)}")
