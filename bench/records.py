"""Records: one JSON file per run, written whole or not at all. A finished one is the cache."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import count
from pathlib import Path
from types import NoneType
from typing import Any

from bench import plugins
from bench.config import Run, canonical, cell, from_plain

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
Record = dict[str, Any]


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


def opened(file: Path, check: Callable[[Any], Record]) -> Record:
    """What a file of JSON holds, checked. Raises `ValueError`, naming the file."""
    try:
        return check(json.loads(file.read_text()))
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{file}: not a record: {error}") from None


def checked(record: Any, parts: Mapping[str, Any], schema: int) -> Record:  # noqa: ANN401 - JSON
    """The record, if every part is there and of its kind. Raises `ValueError` if not."""
    if not isinstance(record, dict):
        raise ValueError(f"it is a {type(record).__name__}")
    if record.get("schema") != schema:
        raise ValueError(f"it has schema {record.get('schema')}, this version reads {schema}")
    missing = [name for name in parts if name not in record]
    wrong = [name for name in parts if name in record and not isinstance(record[name], parts[name])]
    if missing or wrong:
        text = {"it lacks {}": missing, "the wrong kind of {}": wrong}
        said = [line.format(", ".join(names)) for line, names in text.items() if names]
        raise ValueError("; ".join(said))
    return record


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


def as_text(content: dict[str, Any]) -> str:
    """The content as the JSON of a file."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def write_whole(file: Path, text: str) -> Path:
    """Writes a text beside its final name, flushes it, and moves it into place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with part.open("w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file


def files(root: Path) -> Iterator[Path]:
    """The record files of one machine, in order of name."""
    found = sorted((root / "runs").glob("*/*.json"))
    yield from (file for file in found if not file.name.endswith(SURFACE))


def load(root: Path) -> tuple[list[Record], list[str]]:
    """All records of one machine that can be read, and a line for each file that cannot."""
    records, problems = [], []
    for file in files(root):
        try:
            records.append(read(file))
        except ValueError as error:
            problems.append(str(error))
    return records, problems


def set_aside(file: Path) -> Path:
    """Moves a file that is no record out of the way, under a free name that nothing reads."""
    names = (file.with_name(f"{file.name}.torn{n or ''}") for n in count())
    return file.rename(next(name for name in names if not name.exists()))


def check_writable(root: Path) -> None:
    """Raises `ValueError` if no record could be written under the folder."""
    probe = root / f".probe.{os.getpid()}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"results folder {root} cannot be written ({error.strerror}); choose another one "
            "with --results"
        ) from None
