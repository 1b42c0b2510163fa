"""Processes that take turns at the clock: each holds one network, and a round samples them all."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from msgspec import convert
from msgspec.structs import replace

from bench.core.cases import TimingTarget
from bench.core.outcomes import status_of
from bench.records.timings import Timing
from bench.system.pool import Worker
from bench.system.protocol import (
    PROTOCOL,
    UNNUMBERED,
    Died,
    Done,
    Hello,
    Prepare,
    Prepared,
    ProtocolError,
    Request,
    Sample,
    TakeSample,
    is_numbered,
)
from bench.timing.samples import summary


@dataclass
class Player:
    """A fresh process with what is timed of one network, by name, and the samples of each."""

    worker: Worker
    device: str
    facts: Prepared = field(default_factory=lambda: Prepared("done", {}, {}, {}, {}))
    takes: dict[str, list[Sample]] = field(default_factory=dict)
    death: str = ""

    @property
    def samples_ms(self) -> dict[str, list[float]]:
        """The samples of every kind that can be run."""
        return {kind: [take.ms for take in found] for kind, found in self.takes.items()}

    def ask(self, request: Request) -> Any:  # noqa: ANN401 - as `protocol` says
        """The worker's answer. Raises `RuntimeError` if it has none, or is dead."""
        if self.death:
            raise RuntimeError(self.death)
        self.worker.send(0, request)
        _, reply = self.worker.inbox.get()
        if isinstance(reply, Done):
            return reply.result
        if isinstance(reply, Died):
            self.death = reply.reason
        raise RuntimeError(reply.reason)

    def told(self, request: Request) -> Any:  # noqa: ANN401 - as `protocol` says
        """What the worker answers; None if it cannot."""
        try:
            return self.ask(request)
        except RuntimeError:
            return None

    def greet(self) -> None:
        """Asks for the worker's protocol. Raises `ProtocolError` if it is another one than ours.

        One that dies of the question speaks the first; a death of another reason is left to
        `prepare`.
        """
        number = self.told(Hello()) or UNNUMBERED
        if number != PROTOCOL and not (self.death and is_numbered(self.worker.checkout)):
            raise ProtocolError(number)

    def prepare(self, timed: Mapping[str, TimingTarget]) -> None:
        """Has the worker build and warm its closures; a death is an outcome too."""
        targets = {name: asdict(target) for name, target in timed.items()}
        try:
            self.facts = convert(self.ask(Prepare(targets, self.device)), Prepared)
        except RuntimeError as error:
            reasons = dict.fromkeys(timed, str(error))
            self.facts = Prepared(status_of(str(error)), {}, {}, reasons, {})
        self.takes = {kind: [] for kind in self.facts.sample_s}

    def sample(self, kind: str) -> None:
        """Takes one sample, if the kind can be run and the worker lives."""
        if kind not in self.takes:
            return
        try:
            self.takes[kind].append(convert(self.ask(TakeSample(kind)), Sample))
        except RuntimeError as error:
            self.facts.reasons[kind] = str(error)
            self.facts.status = status_of(str(error))
            del self.takes[kind]

    def timings(self) -> dict[str, Timing]:
        """The summary of every kind that was sampled."""
        return {
            kind: replace(summarised(takes), first_call_s=self.facts.first_call_s[kind])
            for kind, takes in self.takes.items()
            if len(takes) > 1
        }


def summarised(takes: list[Sample]) -> Timing:
    """The summary of samples with what was told of each."""
    lag = sum(take.lag for take in takes) / len(takes)
    clocks = [take.mhz for take in takes if take.mhz]
    clock = max(clocks) / min(clocks) - 1 if clocks else 0.0
    throttled = next((take.throttled for take in takes if take.throttled), "")
    return summary([take.ms for take in takes], lag, clock, throttled)


@contextmanager
def players(
    parts: Iterable[tuple[Mapping[str, TimingTarget], Path]],
    device: str,
    begin: Callable[[int], None] = lambda index: None,
) -> Iterator[list[Player]]:
    """A player for each part and its checkout, made ready one by one; none is left behind.

    `begin` is told the index of each part before it is made ready. Raises `ProtocolError` if one of
    them speaks another protocol.
    """
    parts, found = list(parts), []
    try:
        for _, checkout in parts:
            found.append(Player(Worker(SimpleQueue(), checkout), device))
        for player in found:
            player.greet()
        for index, (player, (timed, _)) in enumerate(zip(found, parts, strict=True)):
            begin(index)
            player.prepare(timed)
        yield found
    finally:
        for player in found:
            player.worker.kill()


def play(found: list[Player], kinds: Sequence[str], rounds: int) -> None:
    """So many rounds of all kinds and players, every other one in reverse."""
    turns = list(product(kinds, found))
    for index in range(rounds):
        for kind, player in turns if index % 2 == 0 else reversed(turns):
            player.sample(kind)


def round_s(found: list[Player]) -> float:
    """How long one round takes."""
    return sum(sum(player.facts.sample_s.values()) for player in found)
