"""Processes that take turns at the clock: each holds one cell, and a round samples them all."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from bench.cells import Cell
from bench.pool import Worker
from bench.timing import Timing, summary


@dataclass
class Player:
    """A fresh process with one cell, what it said of it, and its samples by kind."""

    cell: Cell
    worker: Worker
    device: str
    facts: dict[str, Any] = field(default_factory=dict)
    samples_ms: dict[str, list[float]] = field(default_factory=dict)
    lags: dict[str, list[float]] = field(default_factory=dict)
    throttled: dict[str, str] = field(default_factory=dict)
    death: str = ""

    def ask(self, do: str, **request: Any) -> Any:  # noqa: ANN401 - whatever is answered
        """The worker's answer. Raises `RuntimeError` if it has none, or is dead."""
        if not self.death:
            cell = asdict(self.cell)
            self.worker.send(0, {"do": do, "cell": cell, "device": self.device, **request})
            _, message = self.worker.inbox.get()
            self.death = message.get("died", "")
        if self.death or message.get("reason"):
            raise RuntimeError(self.death or message["reason"])
        return message["done"]

    def prepare(self, kinds: Sequence[str]) -> None:
        """Has the worker build and warm its closures; a death is an outcome too."""
        try:
            self.facts = self.ask("prepare", kinds=list(kinds))
        except RuntimeError as error:
            status = status_of(str(error))
            reasons = dict.fromkeys(kinds, str(error))
            self.facts = {"status": status, "reasons": reasons, "sample_s": {}, "machine": {}}
        self.samples_ms = {kind: [] for kind in self.facts["sample_s"]}
        self.lags = {kind: [] for kind in self.samples_ms}

    def sample(self, kind: str) -> None:
        """Takes one sample, if the kind can be run and the worker lives."""
        if kind not in self.samples_ms:
            return
        try:
            found = self.ask("sample", kind=kind)
        except RuntimeError as error:
            self.facts["reasons"][kind] = str(error)
            self.facts["status"] = status_of(str(error))
            del self.samples_ms[kind]
            return
        self.samples_ms[kind].append(found["ms"])
        self.lags[kind].append(found["lag"])
        self.throttled[kind] = self.throttled.get(kind) or found["throttled"]

    def timings(self) -> dict[str, Timing]:
        """The summary of every kind that was sampled."""
        return {
            kind: {"first_call_s": self.facts["first_call_s"][kind]}
            | summary(found, sum(self.lags[kind]) / len(found), self.throttled[kind])
            for kind, found in self.samples_ms.items()
            if len(found) > 1
        }


def status_of(death: str) -> str:
    """What a record says of a worker that died: killed for its memory, or for another reason."""
    return "oom" if "code -9" in death else "failed"


@contextmanager
def players(
    cells: Iterable[tuple[Cell, Path]], kinds: Sequence[str], device: str
) -> Iterator[list[Player]]:
    """A player for each cell and checkout, prepared one after the other; none is left behind."""
    found = [Player(cell, Worker(SimpleQueue(), checkout), device) for cell, checkout in cells]
    try:
        for player in found:
            player.prepare(kinds)
        yield found
    finally:
        for player in found:
            player.worker.kill()


def play(found: list[Player], kinds: Sequence[str], rounds: int) -> None:
    """So many rounds; in every other one the players come in reverse order."""
    for index in range(rounds):
        for kind in kinds:
            for player in found if index % 2 == 0 else reversed(found):
                player.sample(kind)


def round_s(found: list[Player]) -> float:
    """How long one round takes."""
    return sum(sum(player.facts["sample_s"].values()) for player in found)
