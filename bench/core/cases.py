"""What the speed grid and the clock are asked for: a case of the grid, a target to time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.core import config
from bench.core.config import Plugin, Run

METHODS = {"train_step": "plain", "augment_step": "augment", "remul_step": "remul"}
KINDS = ("inference", *METHODS)
NOTHING = "learns nothing"  # why a network has no training step
UNIT = Plugin("transformer")  # whose time in the same session is the unit of all the others'


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
        cell = Cell(**{**plain, "model": config.plugin(plain["model"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a cell: {error}") from None
    for kind, names in {int: ("nodes", "batch"), str: ("mode", "dtype")}.items():
        for name in names:
            if not isinstance(getattr(cell, name), kind):
                raise ValueError(f"not a cell: {name} {getattr(cell, name)!r}")
    return cell
