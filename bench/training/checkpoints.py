"""Checkpoints: the state of a training that is under way, to go on from if it is stopped."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import inf, isfinite
from pathlib import Path
from typing import Any, Protocol

import e3nn
import numpy as np
import torch
from torch import Tensor

from bench.core.config import Run, canonical
from bench.core.keys import run_key, run_name
from bench.records.tensors import read_tree, write_tree
from bench.system import environment, machine
from bench.system.checkout import ROOT
from bench.system.clock import now
from bench.system.protocol import Line
from bench.training.generators import get_global_state, set_global_state

CODE = ("remul", "models", "bench/core", "bench/data", "bench/tasks", "bench/methods")
CODE += ("bench/training",)


class Part(Protocol):
    """What a training consists of: whatever changes from step to step."""

    def state_dict(self) -> dict[str, Any]:
        """Return what has changed since the start."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        ...


@dataclass
class Checkpoint:
    """The file of a training, of a run or of seeds at once, written every so many seconds.

    Without a file nothing is kept. `spent_s` is what processes that were stopped had spent.
    """

    file: Path | None = None
    runs: list[Run] = field(default_factory=list)
    device: str = "cpu"
    every_s: float = inf
    tell: Callable[[Line], None] = lambda _: None
    spent_s: float = 0.0

    def __post_init__(self) -> None:
        self.started_s = self.saved_s = now()

    def is_usable(self) -> bool:
        """Return whether there is a state of this very training to go on from."""
        try:
            return bool(self.file and self.file.exists() and self._read())
        except ValueError:
            return False

    def resume(self, parts: Mapping[str, Part]) -> int:
        """Put the parts of a training in the state that is kept of it; return its step, 0 if none.

        A file of another training, or of other code, is ignored with a line.
        """
        if not (self.file and self.file.exists()):
            return 0
        try:
            kept = self._read()
        except ValueError as error:
            self._tell(f"starts anew: {error}")
            return 0
        for name, part in parts.items():
            part.load_state_dict(kept["parts"][name])
        set_global_state(kept["generators"])
        self.spent_s = kept["spent_s"]
        self._tell(f"goes on from step {kept['step']}")
        return kept["step"]

    def save(self, step: int, losses: Iterable[Tensor | None], parts: Mapping[str, Part]) -> None:
        """Keep the state after a step, if it is time to and the losses are finite."""
        if now() - self.saved_s < self.every_s:
            return
        if not parts:
            self._tell("keeps no checkpoint, as it trains in its own way")
            self.every_s = inf
        elif all(isfinite(loss.item()) for loss in losses if loss is not None):
            self._write(step, parts)
            self.saved_s = now()

    def drop(self) -> None:
        """Remove the file: the training has come to its end."""
        if self.file:
            self.file.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        kept = read_tree(self.file)
        theirs = kept.get("made_by") if isinstance(kept, dict) else None
        ours = describe_origin(self.runs, self.device)
        differ = [name for name in ours if not theirs or ours[name] != theirs.get(name)]
        if differ:
            raise ValueError(f"{self.file.name} is of another {', '.join(differ)}")
        return kept

    def _write(self, step: int, parts: Mapping[str, Part]) -> None:
        kept = {
            "made_by": describe_origin(self.runs, self.device),
            "step": step,
            "spent_s": self.spent_s + now() - self.started_s,
            "generators": get_global_state(),
            "parts": {name: part.state_dict() for name, part in parts.items()},
        }
        try:
            write_tree(self.file, kept)
        except OSError as error:
            self._tell(f"keeps no checkpoint: {error.strerror}")

    def _tell(self, words: str) -> None:
        seeds = f" and {len(self.runs) - 1} more seeds" if len(self.runs) > 1 else ""
        self.tell(Line(f"{run_name(self.runs[0])}{seeds} {words}"))


NO_CHECKPOINT = Checkpoint()


def describe_origin(runs: list[Run], device: str) -> dict[str, Any]:
    """Return what has to be the same for a training to go on to the bit."""
    return {
        "run": [f"{canonical(run)} {run_key(run)}" for run in runs],
        "code": digest_code(),
        "torch": str(torch.__version__),
        "e3nn": e3nn.__version__,
        "numpy": np.__version__,
        "device": device,
        "processor": machine.processor(),
        "number of threads": torch.get_num_threads(),
        "compilation": environment.COMPILE in os.environ,
        "graph": bool(os.environ.get(environment.GRAPH)),
    }


@cache
def digest_code() -> str:
    """Return a digest of all code that a training may run, as it is when this is first asked."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in CODE for file in (ROOT / folder).rglob("*.py")):
        digest.update(f"{file.relative_to(ROOT)} {file.stat().st_size} ".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
