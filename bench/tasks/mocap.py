"""People who walk or run (CMU motion capture): where are their joints a quarter second later?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copy

import numpy as np
from numpy.random import RandomState

from bench.asf import read_motion, read_skeleton
from bench.cache import fetched, folder, read_npz
from bench.plugins import Task
from bench.tasks import _motion

VERSION = 1
HORIZON = 30  # frames, of 120 a second
SOURCE = {
    "kind": "download",
    "from": "http://mocap.cs.cmu.edu, subjects 35 (walk) and 9 (run)",
    "terms": "free for any use; not to be resold as they are",
    "acknowledge": "The data used in this project was obtained from mocap.cs.cmu.edu. "
    "The database was created with funding from NSF EIA-0196217.",
}


@dataclass(frozen=True)
class Subject:
    """A person's recordings, and how GMN (walk) and EGNO (run) draw start frames from them.

    `trials` have so many `frames`; the file of the prepared arrays has them in this order. From
    the first `window` frames of each trial `drawn` are drawn, and `sizes` of them used in all.
    """

    number: str
    trials: tuple[str, ...]
    frames: tuple[int, ...]
    window: int
    drawn: int
    parts: dict[str, tuple[int, ...]]
    sizes: dict[str, int]


SUBJECTS = {
    "walk": Subject(
        "35",
        tuple(f"35_{trial:02}" for trial in (*range(1, 17), *range(28, 35))),
        (358, 405, 425, 433, 425, 437, 357, 453, 381, 423, 385, 397, 453, 409, 405, 441, 417,
         497, 409, 421, 389, 421, 413),
        300,
        100,
        {
            "train": (20, 1, 17, 13, 14, 9, 4, 2, 7, 5, 16),
            "val": (3, 8, 11, 12, 15, 18),
            "test": (6, 19, 21, 0, 22, 10),
        },
        {"train": 200, "val": 600, "test": 600},
    ),
}  # fmt: skip
