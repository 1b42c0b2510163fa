"""Records: one JSON file per run, written whole or not at all. A finished one is the cache."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.core import plugins
from bench.core.config import Run, canonical, cell
from bench.records import files, run_record
from bench.records.files import as_text, read_record, write_whole
from bench.records.run_record import RunRecord, Surface

CURVE, SURFACE = ".curve.csv", ".surface.json"


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


def new(run: Run) -> RunRecord:
    """The record of a run of which nothing is known yet but that it went well."""
    return run_record.blank(run, key(run))


def path(root: Path, run: Run) -> Path:
    """Where the record of a run lives under a machine's folder."""
    return root / "runs" / Path(run.task.name).stem / f"{name(run)}.json"


def read(file: Path) -> RunRecord:
    """The record in a file. Raises `ValueError`, naming the file, if it does not parse."""
    return read_record(file, run_record.parse)


def write(root: Path, record: RunRecord) -> Path:
    """Writes a record whole or not at all."""
    return write_whole(path(root, record.run), as_text(record))


def write_curve(root: Path, run: Run, text: str) -> Path:
    """Writes the curve of a run beside its record, under the same name but for its ending."""
    return write_whole(curve_path(root, run), text)


def curve_path(root: Path, run: Run) -> Path:
    """Where the curve of a run's training lives, beside its record."""
    return path(root, run).with_suffix(CURVE)


def surface_path(root: Path, run: Run) -> Path:
    """Where the loss surface of a run lives, beside its record."""
    return path(root, run).with_suffix(SURFACE)


def read_surface(root: Path, run: Run) -> Surface:
    """The loss surface of a finished run that asked for one; `ValueError` as `read` raises."""
    return read_record(surface_path(root, run), run_record.parse_surface)


def record_files(root: Path) -> Iterator[Path]:
    """The record files of one machine, in order of name."""
    found = sorted((root / "runs").glob("*/*.json"))
    yield from (file for file in found if not file.name.endswith(SURFACE))


def load(root: Path) -> tuple[list[RunRecord], list[str]]:
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


def finished(run: Run, root: Path) -> RunRecord | None:
    """The finished record of a run, or None."""
    try:
        record = read(path(root, run))
    except ValueError:
        return None
    same = canonical(record.run) == canonical(run)
    return record if same and record.status == "done" else None


def store(root: Path, record: RunRecord, curve: str = "", surface: Surface | None = None) -> bool:
    """Writes what a run came to and what lies beside it, unless it failed where it had finished
    before. Whether it did.
    """
    run = record.run
    if record.status != "done" and finished(run, root):
        return False
    if curve:
        write_curve(root, run, curve)
    if surface:
        write_whole(surface_path(root, run), as_text(surface))
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
