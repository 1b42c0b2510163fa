"""People who walk or run (CMU motion capture): where are their joints a quarter second later?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import RandomState

from bench import Task
from bench.data import catalogue, motion
from bench.data.archive import read_npz
from bench.data.asf_amc import read_motion, read_skeleton
from bench.data.cache import fetch, folder, place

VERSION = 1
HORIZON = 30  # frames, of 120 a second
SOURCE = {
    "kind": "download",
    "from": "http://mocap.cs.cmu.edu, subjects 35 (walk) and 9 (run)",
    "terms": "free for any use; not to be resold as they are",
    "acknowledge": "The data used in this project was obtained from mocap.cs.cmu.edu. "
    "The database was created with funding from NSF EIA-0196217.",
    "split": "by trial, as published: the same for every seed",
    "files": {
        "35.asf": {
            "urls": [
                "http://mocap.cs.cmu.edu/subjects/35/35.asf",
                "https://web.archive.org/web/2id_/http://mocap.cs.cmu.edu/subjects/35/35.asf",
            ],
            "sha256": "2a8e2eda3c0d7d828566b2a9a8ab36b2b8b3864110574e8b73c8f069fded416c",
            "size": 7261,
        },
        "35_01.amc": {
            "urls": [
                "http://mocap.cs.cmu.edu/subjects/35/35_01.amc",
                "https://web.archive.org/web/2id_/http://mocap.cs.cmu.edu/subjects/35/35_01.amc",
            ],
            "sha256": "0743f4ea48e7e199cd56b2810b5ce81f8ede08d32ff79aa4e363c44cc4fe33aa",
            "size": 286988,
        },
    },
    "urls": [
        "http://mocap.cs.cmu.edu/subjects/{file:.2}/{file}",
        "https://web.archive.org/web/2id_/http://mocap.cs.cmu.edu/subjects/{file:.2}/{file}",
    ],
    "unrecorded": [
        "35_02.amc", "35_03.amc", "35_04.amc", "35_05.amc", "35_06.amc", "35_07.amc", "35_08.amc",
        "35_09.amc", "35_10.amc", "35_11.amc", "35_12.amc", "35_13.amc", "35_14.amc", "35_15.amc",
        "35_16.amc", "35_28.amc", "35_29.amc", "35_30.amc", "35_31.amc", "35_32.amc", "35_33.amc",
        "35_34.amc", "09.asf", "09_01.amc", "09_02.amc", "09_03.amc", "09_04.amc", "09_05.amc",
        "09_06.amc", "09_07.amc", "09_08.amc", "09_09.amc", "09_10.amc", "09_11.amc",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A person's trials in the order of the published split, and that split.

    A trial is known by how many `frames` it has and by the `first` x of its root. Of the first
    `window` frames of each `drawn` ones are drawn, trial by trial; `sizes` of them are used.
    """

    number: str
    prepared: str
    skipped: dict[str, int]
    frames: tuple[int, ...]
    first: tuple[float, ...]
    window: int
    drawn: int
    trials: dict[str, tuple[int, ...]]
    sizes: dict[str, int]


SUBJECTS = {
    "walk": Subject(
        number="35",
        prepared="walk_subject35.npz",
        skipped={},
        frames=(358, 405, 425, 433, 425, 437, 357, 453, 381, 423, 385, 397, 453, 409, 405, 441,
                417, 497, 409, 421, 389, 421, 413),
        first=(4.4005, 4.8196, 0.6976, 1.5049, 0.8912, 1.3189, 0.6636, 0.4107, 0.7783, 0.3965,
               1.1139, 1.1629, 1.1662, 1.2105, 0.6793, 0.7613, 0.6849, -0.1717, 0.4006, -0.3958,
               0.9689, 0.9705, 4.9423),
        window=300,
        drawn=100,
        trials={
            "train": (20, 1, 17, 13, 14, 9, 4, 2, 7, 5, 16),
            "val": (3, 8, 11, 12, 15, 18),
            "test": (6, 19, 21, 0, 22, 10),
        },
        sizes={"train": 200, "val": 600, "test": 600},
    ),
    "run": Subject(
        number="09",
        prepared="run_subject09.npz",
        skipped={"09_10.amc": 6},
        frames=(141, 138, 165, 143, 137, 126, 148, 128, 130, 152, 128),
        first=(0.0918, 1.9282, 1.3078, -0.7552, 0.0154, 0.6012, -0.3071, 0.5552, 0.0501, 0.0698,
               -0.3349),
        window=90,
        drawn=80,
        trials={"train": (1, 2, 5, 6, 10), "val": (0, 4, 9), "test": (3, 7, 8)},
        sizes={"train": 200, "val": 240, "test": 240},
    ),
}  # fmt: skip


def load(seed: int, subject: str = "walk", source: str | None = None, height: bool = False) -> Task:
    """REMUL's Table 2: the 31 joints of a person 30 frames, 0.25 s, later.

    Inputs are positions and velocities (to the next frame) in the units of the skeleton, 0.0564 m,
    y up, neither centred nor scaled; the bones as the pair field `adjacency`; and, if asked for,
    the `height` y / 10 of each joint. The split is by trial and the same for every seed: GMN's
    (Huang et al. 2022) 198/600/600 for "walk", EGNO's (Xu et al. 2024) 200/240/240 for "run".
    Files, official or prepared, are read from the folder `source`, else from the cache, into which
    they are downloaded if need be. Raises `ValueError` for another subject and for files that are
    not what they should be.
    """
    if subject not in SUBJECTS:
        raise ValueError(f"no subject {subject!r}; there are {', '.join(SUBJECTS)}")
    person = SUBJECTS[subject]
    trials, edges = _trials(person, source)
    splits = {}
    for part, starts in draw(person).items():
        moments = [motion.moments(trials[trial], at, HORIZON) for trial, at in starts.items()]
        arrays = {key: np.concatenate([moment[key] for moment in moments]) for key in moments[0]}
        splits[part] = arrays | ({"height": arrays["position"][..., 1:2] / 10} if height else {})
    return motion.make_task(splits, edges)


def draw(person: Subject) -> dict[str, dict[int, np.ndarray]]:
    """Start frames by trial for each part, drawn as the works that published the split did."""
    generator = RandomState(100)
    drawn = {
        trial: generator.choice(person.window, size=person.drawn, replace=False)
        for trials in person.trials.values()
        for trial in trials
    }
    return {
        part: {trial: drawn[trial][: person.sizes[part] // len(trials)] for trial in trials}
        for part, trials in person.trials.items()
    }


def make(source: str, progress: Callable[[float, float], None]) -> None:
    """Copies official or prepared files of a folder into the cache, where `load` finds them."""
    given = Path(str(source))  # a name of digits is read as a number
    wanted = [*catalogue.files(SOURCE), *(person.prepared for person in SUBJECTS.values())]
    found = [name for name in wanted if (given / name).is_file()]
    if not found:
        raise ValueError(f"{source} has none of {', '.join(wanted)}")
    for count, name in enumerate(found, 1):
        place(given / name, "mocap")
        progress(count, len(found))


def _trials(person: Subject, source: str | None) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
    """Joint positions of each trial, (frames, 31, 3), and the bones as (child, parent)."""
    where = folder() / "mocap" if source is None else Path(source)
    if (where / person.prepared).is_file():
        motions, edges = _read_prepared(where / person.prepared)
        return [_find(motions, person, trial) for trial in range(len(motions))], edges
    files = catalogue.files(SOURCE)
    names = sorted(name for name in files if name.startswith(person.number))
    paths = [where / n if source else fetch("mocap", n, **files[n]) for n in names]
    skeleton = read_skeleton(paths[0])
    motions = [
        read_motion(path, skeleton)[person.skipped.get(path.name, 0) :] for path in paths[1:]
    ]
    return [_find(motions, person, trial) for trial in range(len(motions))], skeleton.edges


def _read_prepared(file: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Return recordings and bones that were prepared. Raises `ValueError`, naming the file."""
    arrays = read_npz(file, {"X": 3, "lengths": 1, "edges": 2})
    x, lengths, edges = (arrays[name] for name in ("X", "lengths", "edges"))
    whole = all(array.dtype.kind in "iu" for array in (lengths, edges))
    if not whole or (lengths < 0).any() or lengths.sum() != len(x) or x.shape[2] != 3:
        raise ValueError(f"{file}: lengths have to add up to the frames of X, (frames, joints, 3)")
    if edges.shape[1] != 2 or ((edges < 0) | (edges >= x.shape[1])).any():
        raise ValueError(f"{file}: edges have to be pairs of joints")
    return np.split(x, np.cumsum(lengths)[:-1]), edges


def _find(motions: list[np.ndarray], person: Subject, trial: int) -> np.ndarray:
    """The motion that is a trial of the published split, whatever its name."""
    frames, first = person.frames[trial], person.first[trial]
    for recording in motions:
        if len(recording) == frames and abs(recording[0, 0, 0] - first) < 1e-3:
            return recording
    raise ValueError(
        f"no recording of subject {person.number} has {frames} frames and begins at x = {first}; "
        "the original ones do, at 120 frames a second"
    )
