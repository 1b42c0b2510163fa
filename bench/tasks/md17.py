"""Molecules in ab initio dynamics (MD17): where are the heavy atoms 1.5 ps later?"""

import numpy as np
from numpy.random import RandomState

from bench import Task
from bench.data import md17, molecules

VERSION = 1
EDGE = 10_000  # frames at either end that no start is drawn from
SOURCE = {
    "kind": "download",
    "from": "http://www.quantum-machine.org/gdml/data/npz, DFT trajectories at 500 K",
    "terms": "no licence is stated",
    "acknowledge": "Chmiela et al., Machine learning of accurate energy-conserving molecular "
    "force fields, Science Advances 3, e1603015 (2017)",
    "split": "as published: the same for every seed",
    "urls": [
        "http://www.quantum-machine.org/gdml/data/npz/{file}",
        "https://www.quantum-machine.org/gdml/data/npz/{file}",
    ],
    "unrecorded": [
        "md17_aspirin.npz",
        "md17_benzene2017.npz",
        "md17_ethanol.npz",
        "md17_malonaldehyde.npz",
        "md17_naphthalene.npz",
        "md17_salicylic.npz",
        "md17_toluene.npz",
        "md17_uracil.npz",
    ],
}


def load(
    seed: int,
    molecule: str = "aspirin",
    source: str | None = None,
    delta: int = 3000,
    train: int = 500,
    val: int = 2000,
    test: int = 2000,
) -> Task:
    """REMUL's Table 3: the heavy atoms of a molecule `delta` frames of 0.5 fs later.

    Inputs are positions in Å, velocities in Å per frame, atomic numbers over the largest, and the
    bonds (< 1.6 Å in the first frame) as the pair field `adjacency`; neither centred nor scaled.
    The start frames are those of GMN (Huang et al. 2022) for every seed, the first so many of each
    split. The file is read from the folder `source`, else from the cache, into which it is
    downloaded if need be; its hash is that of the first download. Raises `ValueError` for another
    molecule, for files that are not what they should be, and for more samples than there are.
    """
    frames = md17.read(molecule, source)
    starts = draw(len(frames["R"]), delta)
    sizes = {"train": train, "val": val, "test": test}
    molecules.check_sizes(sizes, {name: len(at) for name, at in starts.items()})
    chosen = {name: starts[name][:size] for name, size in sizes.items()}
    return molecules.heavy_atoms(frames, chosen, delta)


def draw(frames: int, delta: int) -> dict[str, np.ndarray]:
    """Start frames of each split, of so many in all, by the rule of GMN: 10, 5 and 5 % of them.

    Raises `ValueError` for trajectories that are too short, and for a delta that leaves them.
    """
    count = frames - 1 - 2 * EDGE
    if count < 20 or not 1 <= delta <= EDGE:
        raise ValueError(
            f"{frames} frames and delta={delta}: it takes at least {2 * EDGE + 21} frames and a "
            f"delta from 1 to {EDGE}"
        )
    generator, free = RandomState(100), np.ones(count, dtype=bool)
    starts = {}
    for name, share in (("train", 0.1), ("val", 0.05), ("test", 0.05)):
        chosen = generator.choice(np.flatnonzero(free), size=int(share * count), replace=False)
        free[chosen] = False
        starts[name] = chosen + EDGE
    return starts
