"""Processes whose networks are sampled round by round, in turn."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from math import inf
from pathlib import Path
from queue import Empty
from typing import Any

from msgspec import convert
from msgspec.structs import replace

from bench.core.cases import TimingTarget
from bench.core.config import to_plain
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
from bench.timing.samples import summarise


@dataclass
class TimedWorker:
    """A fresh process with what is timed of one network, by name, and the samples of each."""

    worker: Worker
    device: str
    limit_s: float = inf  # of an answer
    facts: Prepared = field(default_factory=lambda: Prepared("done", {}, {}, {}, {}))
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    death: str = ""

    @property
    def samples_ms(self) -> dict[str, list[float]]:
        """The samples of all that can be run, by name."""
        return {name: [s.ms for s in samples] for name, samples in self.samples.items()}

    def ask(self, request: Request) -> Any:  # noqa: ANN401 - as `protocol` says
        """Return the worker's answer. Raises `RuntimeError` if it has none, or is dead."""
        if self.death:
            raise RuntimeError(self.death)
        self.worker.send(request)
        try:
            reply = self.worker.inbox.get(timeout=self.limit_s if self.limit_s < inf else None)
        except Empty:
            self.worker.kill()
            reply = Died(f"no answer within {self.limit_s:g} s")
        if isinstance(reply, Done):
            return reply.result
        if isinstance(reply, Died):
            self.death = reply.reason
        raise RuntimeError(reply.reason)

    def try_ask(self, request: Request) -> Any:  # noqa: ANN401 - as `protocol` says
        """Return what the worker answers; None if it cannot."""
        try:
            return self.ask(request)
        except RuntimeError:
            return None

    def greet(self) -> None:
        """Ask for the worker's protocol. Raises `ProtocolError` if it is another one than ours.

        One that dies of the question speaks the first; a death of another reason is left to
        `prepare`.
        """
        number = self.try_ask(Hello()) or UNNUMBERED
        if number != PROTOCOL and not (self.death and is_numbered(self.worker.checkout)):
            raise ProtocolError(number)

    def prepare(self, targets: Mapping[str, TimingTarget]) -> None:
        """Have the worker build and warm its closures; a death is an outcome too."""
        plain = {name: to_plain(target) for name, target in targets.items()}
        try:
            self.facts = convert(self.ask(Prepare(plain, self.device)), Prepared)
        except RuntimeError as error:
            reasons = dict.fromkeys(targets, str(error))
            self.facts = Prepared(status_of(str(error)), {}, {}, reasons, {})
        self.samples = {name: [] for name in self.facts.sample_s}

    def sample(self, name: str) -> None:
        """Take one sample, if that can be run and the worker lives."""
        if name not in self.samples:
            return
        try:
            self.samples[name].append(convert(self.ask(TakeSample(name)), Sample))
        except RuntimeError as error:
            self.facts.reasons[name] = str(error)
            self.facts.status = status_of(str(error))
            del self.samples[name]

    def timings(self) -> dict[str, Timing]:
        """Return the summary of everything that was sampled."""
        return {
            name: replace(summarise_samples(samples), first_call_s=self.facts.first_call_s[name])
            for name, samples in self.samples.items()
            if len(samples) > 1
        }


def summarise_samples(samples: list[Sample]) -> Timing:
    """Return the summary of samples and of the conditions under which they were taken."""
    lag = sum(sample.lag for sample in samples) / len(samples)
    clocks = [sample.mhz for sample in samples if sample.mhz]
    clock = max(clocks) / min(clocks) - 1 if clocks else 0.0
    throttled = next((sample.throttled for sample in samples if sample.throttled), "")
    return summarise([sample.ms for sample in samples], lag, clock, throttled)


@contextmanager
def timed_workers(
    parts: Iterable[tuple[Mapping[str, TimingTarget], Path]],
    device: str,
    begin: Callable[[int], None] = lambda index: None,
    limit_s: float = inf,
) -> Iterator[list[TimedWorker]]:
    """Yield a worker for each part and its checkout, made ready one by one; none is left behind.

    `begin` is told the index of each part before it is made ready; a worker that answers later than
    the limit is given up. Raises `ProtocolError` if one of
    them speaks another protocol.
    """
    parts, workers = list(parts), []
    try:
        for _, checkout in parts:
            workers.append(TimedWorker(Worker(checkout), device, limit_s))
        for worker in workers:
            worker.greet()
        for index, (worker, (targets, _)) in enumerate(zip(workers, parts, strict=True)):
            begin(index)
            worker.prepare(targets)
        yield workers
    finally:
        for worker in workers:
            worker.worker.kill()


def interleave(workers: list[TimedWorker], names: Sequence[str], rounds: int) -> None:
    """Sample everything in every worker so many times, every other round in reverse."""
    turns = list(product(names, workers))
    for index in range(rounds):
        for name, worker in turns if index % 2 == 0 else reversed(turns):
            worker.sample(name)


def round_s(workers: list[TimedWorker]) -> float:
    """Return how long one round takes."""
    return sum(sum(worker.facts.sample_s.values()) for worker in workers)
