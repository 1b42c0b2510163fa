"""What the speed grid and the clock are asked for: a case of the grid, a target to time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.core.config import Plugin, Run, plugin_from_plain, require, require_whole, run_from_plain

STEP_METHODS = {"train_step": "plain", "augment_step": "augment", "remul_step": "remul"}
CASE_KINDS = ("inference", *STEP_METHODS)
COMPILED = ("compile", "compiled_graph")
GRAPHED = ("cuda_graph", "compiled_graph")
MODES = ("eager", "compile", "cuda_graph", "compiled_graph")
UNTRAINABLE = "learns nothing"  # why a network has no training step
UNIT = Plugin("transformer")  # whose time in the same session is the unit of all the others'


@dataclass(frozen=True)
class TimingTarget:
    """Inference or the training step of a run, in a mode and a precision."""

    run: Run
    training: bool
    mode: str = "eager"
    dtype: str = "float32"


@dataclass(frozen=True)
class SpeedCase:
    """A model of one size on so many random bodies: inference and steps that are timed together."""

    model: Plugin
    nodes: int = 20
    batch: int = 32
    mode: str = "eager"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        require("model", self.model, isinstance(self.model, Plugin), "a Plugin")
        for name in ("nodes", "batch"):
            require_whole(name, getattr(self, name), 1)
        for name in ("mode", "dtype"):
            value = getattr(self, name)
            require(name, value, isinstance(value, str) and value.isidentifier(), "a word")

    def __str__(self) -> str:
        return f"{self.model}, {self.nodes} x {self.batch}, {self.mode}, {self.dtype}"

    def run(self, kind: str) -> Run:
        """Return the run whose training step, or inference, is timed."""
        task = Plugin("bodies", {"nodes": self.nodes, "train": self.batch})
        method = Plugin(STEP_METHODS.get(kind, "plain"))
        return Run(task, self.model, method, batch_size=self.batch)

    def targets(self, kinds: Iterable[str]) -> dict[str, TimingTarget]:
        """Return what is timed of the case, by kind."""
        variant = (self.mode, self.dtype)
        return {kind: TimingTarget(self.run(kind), kind != "inference", *variant) for kind in kinds}


def target_from_plain(plain: Mapping[str, Any]) -> TimingTarget:
    """Return the target that `dataclasses.asdict` took apart."""
    return TimingTarget(**{**plain, "run": run_from_plain(plain["run"])})


def case_from_plain(plain: Mapping[str, Any]) -> SpeedCase:
    """Return the case that `dataclasses.asdict` took apart. Raises `ValueError` for another."""
    try:
        return SpeedCase(**{**plain, "model": plugin_from_plain(plain["model"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a case: {error}") from None
