"""What an engine executes, on whatever node: train runs into a store that many nodes share.

A node trains what nobody else has trained or is training, which the claims in the store tell, and
claims tell others how far it has come. All else that it needs is in the job.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from math import inf
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from bench.core.config import Run, run_from_plain
from bench.records import files
from bench.records.claims import Claims, claiming
from bench.records.files import State
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
from bench.system.clock import now
from bench.system.pool import Answer, Pool
from bench.system.protocol import (
    Died,
    Done,
    Ended,
    Line,
    Plain,
    Reply,
    Request,
    Step,
    Train,
    TrainSeeds,
)


@dataclass(frozen=True)
class Job:
    """Seeds of one configuration to train at once, or one run; as plain values, to be sent away.

    `before` is the state of each run's record when it was found to be missing. A run may take
    `limit_s`; how far it has come is noted every `look_s`. `variables` are those of the worker.
    """

    runs: list[Plain]
    before: list[State]
    root: str
    device: str
    limit_s: float = inf
    look_s: float = 1.0
    variables: Mapping[str, str] = field(default_factory=dict)


class Report(NamedTuple):
    """How each run ended, None if it was left to others or did not end, and lines to tell."""

    answers: list[Answer | None]
    lines: list[str]


@dataclass
class _Work:
    """Those of a job's runs that are ours, by their place in it."""

    job: Job
    store: RunStore
    claims: Claims
    own: dict[int, Run]
    report: Report
    noted_s: float = -inf

    def request(self) -> Request:
        """Return what to ask of a worker."""
        runs = [self.job.runs[place] for place in self.own]
        if len(runs) == 1:
            return Train(runs[0], self.job.root, self.job.device)
        return TrainSeeds(runs, self.job.root, self.job.device)

    def note(self, reply: Reply) -> None:
        """Take what a worker says on the way."""
        match reply:
            case Step(step, losses, errors) if self._is_due(step):
                self.noted_s = now()
                for run, *seen in zip_longest(self.own.values(), losses, errors):
                    self.claims.note(self.store.path(run), step, *seen)
            case Line(text):
                self.report.lines.append(text)
            case Ended(index):
                place = [*self.own][index]
                self.report.answers[place] = Done()
                self.claims.release(self.store.path(self.own[place]))

    def _is_due(self, step: int) -> bool:
        """Return whether to say how far it is: now and then, and when scoring begins."""
        last = any(step >= run.steps for run in self.own.values())
        return last or now() - self.noted_s >= self.job.look_s

    def end(self, answer: Answer) -> None:
        """Take what a worker says at last; the death of one leaves a record of its only run."""
        if len(self.own) > 1:
            return
        ((place, run),) = self.own.items()
        self.report.answers[place] = answer
        if isinstance(answer, Died):
            keep_death(run, answer, self.store)


def train_job(job: Job, pool: Pool, is_wanted: Callable[[], bool] = lambda: True) -> Report:
    """Train those runs of a job that are left to train, in a worker of the pool.

    Raises `Unwanted` when it is so: then there is no record.
    """
    store, runs = RunStore(Path(job.root)), [run_from_plain(run) for run in job.runs]
    with claiming() as claims:
        own = {
            place: run
            for place, run in enumerate(runs)
            if claims.take(store.path(run)) and store.state(run) == job.before[place]
        }
        work = _Work(job, store, claims, own, Report([None] * len(runs), []))
        if own:
            for run in own.values():
                files.remove_parts(store.path(run))
            limit_s = job.limit_s * len(own)
            work.end(pool.answer(work.request(), work.note, limit_s, is_wanted))
        return work.report


def keep_death(run: Run, death: Died, store: RunStore) -> None:
    """Write the record of a run whose worker, or node, died of it."""
    store.keep(structs.replace(blank_record(run), status=death.status, reason=death.reason))
