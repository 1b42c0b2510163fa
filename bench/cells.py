"""Cells of the speed grid: a model at one size, mode and precision; each a file of its own."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import plugins, records, sizes
from bench.config import Plugin, Run

SCHEMA = 1
METHODS = {"train_step": "plain", "augment_step": "augment", "remul_step": "remul"}
KINDS = ("inference", *METHODS)
UNIT = Plugin("transformer")  # whose time in the same session is the unit of all the others'
PARTS = ("schema", "cell", "scale", "key", "status", "reasons", "timings", "counters", "machine",
         "session")  # fmt: skip
Record = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """What is timed together: inference and the training steps of a model on random bodies."""

    model: Plugin
    nodes: int = 20
    batch: int = 32
    mode: str = "eager"
    dtype: str = "float32"

    def __str__(self) -> str:
        return f"{self.model}, {self.nodes} x {self.batch}, {self.mode}, {self.dtype}"

    def run(self, kind: str) -> Run:
        """The run whose training step, or inference, is timed."""
        task = Plugin("bodies", {"nodes": self.nodes, "train": self.batch})
        method = Plugin(METHODS.get(kind, "plain"))
        return Run(task, self.model, method, batch_size=self.batch)


def from_plain(plain: Mapping[str, Any]) -> Cell:
    """The cell that `dataclasses.asdict` took apart. Raises `ValueError` for what is no cell."""
    try:
        return Cell(**{**plain, "model": Plugin(**plain["model"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a cell: {error}") from None


def key(cell: Cell) -> str:
    """Eight hex digits of the configuration and of each plug-in's VERSION."""
    versions = [records.key(cell.run(kind)) for kind in KINDS]
    text = json.dumps([asdict(cell), versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def path(root: Path, cell: Cell) -> Path:
    """Where the record of a cell lives under a machine's folder."""
    model = Path(cell.model.name).stem
    size = f"{cell.nodes}x{cell.batch}"
    return root / "speed" / f"{model}-{size}-{cell.mode}-{cell.dtype}-{key(cell)}.json"


def new(cell: Cell) -> Record:
    """The record of a cell of which nothing is known yet."""
    return {
        "schema": SCHEMA,
        "cell": asdict(cell),
        "scale": sizes.scale(cell.model),
        "key": key(cell),
        "status": "failed",
        "reasons": {},
        "equivariant": plugins.claims_equivariance(cell.model.name),
        "timings": {},
        "counters": {},
        "machine": {},
        "session": None,
    }


def write(root: Path, record: Record) -> Path:
    """Writes a record whole or not at all."""
    file = path(root, from_plain(record["cell"]))
    return records.write_whole(file, records.as_text(record))


def read(file: Path) -> Record:
    """The record in a file. Raises `ValueError`, naming the file, if it does not parse."""
    try:
        record = json.loads(file.read_text())
        from_plain(record["cell"])
        missing = [name for name in PARTS if name not in record]
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: not a speed record: {error}") from None
    if missing or record["schema"] != SCHEMA:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has schema {record['schema']}"
        raise ValueError(f"{file}: not a speed record of this version: it {wrong}")
    return record


def load(root: Path) -> tuple[list[Record], list[str]]:
    """All speed records of one machine that can be read, and a line for each that cannot."""
    found, problems = [], []
    for file in sorted((root / "speed").glob("*.json")):
        try:
            found.append(read(file))
        except ValueError as error:
            problems.append(str(error))
    return found, problems


def missing(cells: Iterable[Cell], root: Path) -> list[Cell]:
    """The cells that were not timed yet; one that ran out of memory was."""
    return [cell for cell in cells if not _finished(cell, root)]


def _finished(cell: Cell, root: Path) -> bool:
    try:
        return read(path(root, cell))["status"] in ("done", "oom")
    except ValueError:
        return False
