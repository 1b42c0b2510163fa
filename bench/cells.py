"""Cells of the speed grid: a model at one size, mode and precision; each a file of its own."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import config, plugins, records
from bench.config import Plugin, Run

SCHEMA = 1
METHODS = {"train_step": "plain", "augment_step": "augment", "remul_step": "remul"}
KINDS = ("inference", *METHODS)
NOTHING = "learns nothing"  # why a network has no training step
UNIT = Plugin("transformer")  # whose time in the same session is the unit of all the others'
PARTS = {
    "schema": int, "cell": dict, "scale": str, "key": str, "status": str, "reasons": dict,
    "equivariant": bool | str, "timings": dict, "counters": dict, "machine": dict,
    "session": str | None,
}  # fmt: skip
Record = dict[str, Any]


@dataclass(frozen=True)
class Timed:
    """What one clock is held to: inference or the training step of a run, as a mode runs it."""

    run: Run
    training: bool
    mode: str = "eager"
    dtype: str = "float32"


def timed(plain: Mapping[str, Any]) -> Timed:
    """What `dataclasses.asdict` took apart."""
    return Timed(**{**plain, "run": config.from_plain(plain["run"])})


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

    def timed(self, kinds: Iterable[str]) -> dict[str, Timed]:
        """What is timed of the cell, by kind."""
        rung = (self.mode, self.dtype)
        return {kind: Timed(self.run(kind), kind != "inference", *rung) for kind in kinds}


def from_plain(plain: Mapping[str, Any]) -> Cell:
    """The cell that `dataclasses.asdict` took apart. Raises `ValueError` for what is no cell."""
    try:
        cell = Cell(**{**plain, "model": Plugin(**plain["model"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a cell: {error}") from None
    if not (isinstance(cell.nodes, int) and isinstance(cell.batch, int)):
        raise ValueError(f"not a cell: {cell.nodes!r} nodes, batch {cell.batch!r}")
    return cell


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
        "scale": "default",
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
    return records.opened(file, checked)


def checked(record: Any) -> Record:  # noqa: ANN401 - any JSON
    """The record, if it is one of a cell. Raises `ValueError` if not."""
    found = records.checked(record, PARTS, SCHEMA)
    from_plain(found["cell"])
    for kind, timing in found["timings"].items():
        if not isinstance(timing, dict) or not {"median_ms", "quality"} <= timing.keys():
            raise ValueError(f"its timing {kind!r} lacks median_ms or quality")
    return found


def load(root: Path) -> tuple[list[Record], list[str]]:
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
        name = str(from_plain(record["cell"]))
        before = found.get(name, record)
        found[name] = max(before, record, key=lambda one: one["session"] or "")
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
        return read(path(root, cell))["status"]
    except ValueError:
        return ""
