"""The files of MD17: eight molecules, each one trajectory as positions, energies and forces."""

from pathlib import Path

import numpy as np

from bench.core import plugins
from bench.data import catalogue
from bench.data.archive import Arrays, read_npz
from bench.data.cache import fetch

FRAMES = {
    "aspirin": 211762,
    "benzene": 627983,
    "ethanol": 555092,
    "malonaldehyde": 993237,
    "naphthalene": 326250,
    "salicylic": 320231,
    "toluene": 442790,
    "uracil": 133770,
}


def read(molecule: str, source: str | None) -> Arrays:
    """Return R (frames, atoms, 3) in Å, z (atoms,), E (frames,) or (frames, 1), F in kcal/mol(/Å).

    From the folder `source`, else from the cache, downloaded if need be. Raises `ValueError` for
    another molecule and for a file that does not hold such a trajectory, or not the whole of it.
    """
    if molecule not in FRAMES:
        raise ValueError(f"no molecule {molecule!r}; there are {', '.join(FRAMES)}")
    file = f"md17_{molecule}{2017 * (molecule == 'benzene') or ''}.npz"
    known = catalogue.files(plugins.source("md17"))[file]
    path = Path(source) / file if source else fetch("md17", file, **known)
    arrays = read_npz(path, {"R": 3, "z": 1, "F": 3})
    shape = arrays["R"].shape
    energies = arrays.get("E", np.zeros(0))
    if (
        energies.dtype.kind != "f"
        or energies.size != len(energies)
        or not np.isfinite(energies).all()
    ):
        raise ValueError(
            f"{path}: E has to be (frames,) or (frames, 1), finite; is {energies.shape}"
        )
    frames = len(energies) if source else FRAMES[molecule]
    if shape != (frames, len(arrays["z"]), 3) or arrays["F"].shape != shape:
        raise ValueError(
            f"{path}: R and F have to be {(frames, len(arrays['z']), 3)}, "
            f"are {shape} and {arrays['F'].shape}"
        )
    return arrays
