"""Cells of the speed grid: a model at one size, mode and precision; each a file of its own."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from bench.core.cases import KINDS, Cell
from bench.records import files, run_store, speed_record
from bench.records.speed_record import SpeedRecord


def key(cell: Cell) -> str:
    """Eight hex digits of the configuration and of each plug-in's VERSION."""
    versions = [run_store.key(cell.run(kind)) for kind in KINDS]
    text = json.dumps([asdict(cell), versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def path(root: Path, cell: Cell) -> Path:
    """Where the record of a cell lives under a machine's folder."""
    model = Path(cell.model.name).stem
    size = f"{cell.nodes}x{cell.batch}"
    return root / "speed" / f"{model}-{size}-{cell.mode}-{cell.dtype}-{key(cell)}.json"


def new(cell: Cell) -> SpeedRecord:
    """The record of a cell of which nothing is known yet."""
    return speed_record.blank(cell, key(cell))


def write(root: Path, record: SpeedRecord) -> Path:
    """Writes a record whole or not at all."""
    return files.write_whole(path(root, record.cell), files.as_text(record))


def read(file: Path) -> SpeedRecord:
    """The record in a file. Raises `ValueError`, naming the file, if it does not parse."""
    return files.read_record(file, speed_record.parse)


def load(root: Path) -> tuple[list[SpeedRecord], list[str]]:
    """All speed records of one machine that can be read, and a line for each that cannot.

    Of a cell that was timed under several versions of its plug-ins, the newest.
    """
    found, problems = {}, []
    for file in sorted((root / "speed").glob("*.json")):
        try:
            record = read(file)
        except ValueError as error:
            problems.append(str(error))
            continue
        name = str(record.cell)
        before = found.get(name, record)
        found[name] = max(before, record, key=lambda one: one.session or "")
    return list(found.values()), problems


def missing(cells: Iterable[Cell], root: Path) -> list[Cell]:
    """The cells that were not tried yet, or broke; out of memory, or refused, is an outcome."""
    return [cell for cell in cells if not _finished(cell, root)]


def failed(cell: Cell, root: Path) -> bool:
    """Whether the cell was tried and broke; to lack memory, or be refused, is an outcome."""
    return _status(cell, root) == "failed"


def _finished(cell: Cell, root: Path) -> bool:
    return _status(cell, root) in ("done", "oom", "refused")


def _status(cell: Cell, root: Path) -> str:
    try:
        return read(path(root, cell)).status
    except ValueError:
        return ""
