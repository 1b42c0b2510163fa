"""Archives of arrays, .npz files: judged by what they declare before anything is unpacked."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

Arrays = dict[str, np.ndarray]
LARGEST = 2**34  # bytes of all arrays
SMALL, DENSEST = 2**26, 100  # bytes that are unpacked anyway; times that more may be packed
NUMBERS = "biuf"  # kinds of dtypes
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npz(path: Path, axes: Mapping[str, int] | None = None) -> Arrays:
    """Return the arrays of an .npz file.

    Raises `ValueError` for damage, pickles, what would unpack to no sensible size, and unless there
    are real, finite arrays of these names with so many `axes`.
    """
    with path.open("rb") as file:
        try:
            _check_members(file)
            file.seek(0)
            with np.load(file, allow_pickle=False) as members:
                arrays = dict(members)
            if not all(isinstance(x, np.ndarray) for x in arrays.values()):
                raise ValueError("it holds other files than arrays")
            _check_arrays(arrays, axes or {})
            return arrays
        except Exception as error:  # a flipped byte surfaces in a dozen ways
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise ValueError(f"{path} is no sound .npz file of plain arrays: {reason}") from None


def _check_members(file: BinaryIO) -> None:
    """Raise for a member that is damaged, or that a damaged list of contents hides."""
    with zipfile.ZipFile(file) as members:
        _check_sizes(members, os.fstat(file.fileno()).st_size)
        damaged = members.testzip()
        if damaged:
            raise ValueError(f"its member {damaged!r} is damaged")
        file.seek(-22 - len(members.comment), os.SEEK_END)
        count = int.from_bytes(file.read(12)[10:], "little")  # how many the end record tells of
        if count != len(members.namelist()):
            raise ValueError(f"it holds {count} members and lists {len(members.namelist())}")


def _check_sizes(members: zipfile.ZipFile, packed: int) -> None:
    """Raise for more than the file's size warrants, and for headers that promise other sizes."""
    total = sum(member.file_size for member in members.infolist())
    if total > LARGEST or total > max(SMALL, DENSEST * packed):
        raise ValueError(f"its {packed:,} bytes would unpack to {total:,}")
    for member in members.infolist():
        with members.open(member) as opened:
            header = HEADERS.get(npy.read_magic(opened))
            if header is None:
                continue
            shape, _, dtype = header(opened)
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if not dtype.hasobject and opened.tell() + size != member.file_size:
                raise ValueError(f"its member {member.filename!r} is not as large as it says")


def _check_arrays(arrays: Arrays, axes: Mapping[str, int]) -> None:
    missing = ", ".join(axes.keys() - arrays.keys())
    if missing:
        raise ValueError(f"it lacks {missing}; there are {', '.join(arrays)}")
    for name, number in axes.items():
        array = arrays[name]
        if array.dtype.kind not in NUMBERS or array.ndim != number:
            kind = f"{array.dtype} with {array.ndim} axes"
            raise ValueError(f"{name} has to be numbers with {number} axes, is {kind}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite everywhere")
