"""Molecules in ab initio dynamics (MD17): energy and forces of a single frame."""

from numpy.random import default_rng

from bench import Task
from bench.data import md17, molecules

VERSION = 3
UNITS = {"energy": "kcal/mol", "force": "kcal/mol/Å"}


def load(
    seed: int,
    molecule: str = "aspirin",
    source: str | None = None,
    train: int = 1000,
    val: int = 1000,
    test: int = 1000,
) -> Task:
    """Energy, in kcal/mol less the mean of the training split, and forces in kcal/mol/Å.

    Inputs are the positions of all atoms in Å and their elements, one-hot; frames are drawn from
    the whole trajectory by the seed. Files as in the task `md17` (Chmiela et al. 2017), and so
    are the errors that are raised.
    """
    frames = md17.read(molecule, source)
    sizes = {"train": train, "val": val, "test": test}
    molecules.check_sizes(sizes, dict.fromkeys(sizes, len(frames["R"]) // 3))
    drawn = default_rng(seed).permutation(len(frames["R"]))
    ends = {"train": train, "val": train + val, "test": train + val + test}
    chosen = {name: drawn[end - sizes[name] : end] for name, end in ends.items()}
    return molecules.forces(frames, chosen)
