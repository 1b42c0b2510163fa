"""Records: one JSON file per run, written whole or not at all. A finished one is the cache."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import NoneType
from typing import Any

from bench.core import plugins
from bench.core.config import Run, canonical, cell, from_plain
from bench.records import files
from bench.records.files import Record, as_text, checked, opened, write_whole

SCHEMA = 1
CURVE, SURFACE = ".curve.csv", ".surface.json"
PARTS = {
    "schema": int,
    "run": dict,
    "key": str,
    "status": str,
    "reason": (str, NoneType),
    "equivariant": bool,
    "trivial": bool,
    "scores": dict,
    "timings": dict,
    "counters": dict,
    "machine": dict,
}
TIMING = ("median_ms", "samples_ms", "quality", "session")


def key(run: Run) -> str:
    """Eight hex digits of the configuration without its seed, and of each plug-in's VERSION."""
    parts = (("tasks", run.task), ("models", run.model), ("methods", run.method))
    versions = [plugins.version(kind, part.name) for kind, part in parts]
    text = canonical(cell(run)) + json.dumps(versions)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def name(run: Run) -> str:
    """The name of a run: `<model>-<method>-<key8>-s<seed>`."""
    model, method = Path(run.model.name).stem, Path(run.method.name).stem
    return f"{model}-{method}-{key(run)}-s{run.seed}"


def new(run: Run) -> Record:
    """The record of a run of which nothing is known yet but that it went well."""
    return {
        "schema": SCHEMA,
        "run": asdict(run),
        "key": key(run),
        "status": "done",
        "reason": None,
        "equivariant": plugins.claims_equivariance(run.model.name),
        "trivial": plugins.is_trivial(run.model.name),
        "scores": {},
        "penalty": {},
        "timings": {},
        "counters": {},
        "machine": {},
    }


def path(root: Path, run: Run) -> Path:
    """Where the record of a run lives under a machine's folder."""
    return root / "runs" / Path(run.task.name).stem / f"{name(run)}.json"


def read(file: Path) -> Record:
    """The record in a file. Raises `ValueError`, naming the file, if it does not parse."""
    return opened(file, _checked)


def _checked(record: Any) -> Record:  # noqa: ANN401 - any JSON
    found = checked(record, PARTS, SCHEMA)
    from_plain(found["run"])
    for kind, timing in found["timings"].items():
        lacking = [part for part in TIMING if not isinstance(timing, dict) or part not in timing]
        if lacking:
            raise ValueError(f"its timing {kind!r} lacks {', '.join(lacking)}")
    return found


def _checked_surface(surface: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if not isinstance(surface, dict) or not {"at", "line", "plane"} <= surface.keys():
        raise ValueError("it is no loss surface")
    return surface


def write(root: Path, record: Record) -> Path:
    """Writes a record whole or not at all; its surface, if it has one, first and beside it."""
    run, record = from_plain(record["run"]), dict(record)
    if "surface" in record:
        write_whole(surface_path(root, run), as_text(record.pop("surface")))
    return write_whole(path(root, run), as_text(record))


def write_curve(root: Path, run: Run, text: str) -> Path:
    """Writes the curve of a run beside its record, under the same name but for its ending."""
    return write_whole(curve_path(root, run), text)


def curve_path(root: Path, run: Run) -> Path:
    """Where the curve of a run's training lives, beside its record."""
    return path(root, run).with_suffix(CURVE)


def surface_path(root: Path, run: Run) -> Path:
    """Where the loss surface of a run lives, beside its record."""
    return path(root, run).with_suffix(SURFACE)


def read_surface(root: Path, run: Run) -> dict[str, Any]:
    """The loss surface of a finished run that asked for one; `ValueError` as `read` raises."""
    return opened(surface_path(root, run), _checked_surface)


def record_files(root: Path) -> Iterator[Path]:
    """The record files of one machine, in order of name."""
    found = sorted((root / "runs").glob("*/*.json"))
    yield from (file for file in found if not file.name.endswith(SURFACE))


def load(root: Path) -> tuple[list[Record], list[str]]:
    """All records of one machine that can be read, and a line for each file that cannot."""
    records, problems = [], []
    for file in record_files(root):
        try:
            records.append(read(file))
        except ValueError as error:
            problems.append(str(error))
    return records, problems


def missing(runs: Iterable[Run], root: Path) -> list[Run]:
    """The runs without a finished record."""
    return [run for run in runs if not finished(run, root)]


def finished(run: Run, root: Path) -> Record | None:
    """The finished record of a run, or None."""
    try:
        record = read(path(root, run))
    except ValueError:
        return None
    same = canonical(from_plain(record["run"])) == canonical(run)
    return record if same and record["status"] == "done" else None


def store(record: Record, curve: str, root: Path) -> bool:
    """Writes what a run came to and its curve, unless it failed where it had finished before.

    Whether it did.
    """
    run = from_plain(record["run"])
    if record["status"] != "done" and finished(run, root):
        return False
    if curve:
        write_curve(root, run, curve)
    write(root, record)
    return True


def set_aside_damaged(runs: Iterable[Run], root: Path) -> None:
    """Moves every file out of the way that stands for one of the runs and is no record."""
    for file in (path(root, run) for run in runs):
        try:
            if file.exists():
                read(file)
        except ValueError as error:
            print(f"{error}; set aside as {files.set_aside(file).name}, to be run again")
