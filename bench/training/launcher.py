"""Hands the runs that a sweep lacks to workers, and keeps the journal of what becomes of them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from msgspec import structs

from bench.core.config import Run
from bench.core.keys import run_name
from bench.records import files
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
from bench.system import machine, pool, protocol
from bench.system.clock import now
from bench.system.progress import Tracker, duration, tracking
from bench.system.protocol import (
    Died,
    Done,
    Ended,
    Estimate,
    Failed,
    Line,
    Plain,
    Step,
    Train,
    TrainSeeds,
)
from bench.training import selection
from bench.training.selection import cells_of


@dataclass(frozen=True)
class Request:
    """What the user asked for: selected runs of a sweep, and where and how to run them."""

    runs: list[Run]
    store: RunStore
    device: str
    jobs: int
    budget_s: float
    force: bool
    vectorise: bool = False


@dataclass(frozen=True)
class Training:
    """How the training of what was missing went, and the seconds that its workers spent."""

    complete: bool
    training_s: float = 0.0
    scoring_s: float = 0.0


def train_missing(request: Request) -> Training:
    """Train and score what is missing."""
    files.check_writable(request.store.root)
    request.store.set_aside_damaged(request.runs)
    todo = _todo(request)
    print(f"{len(request.runs)} runs, {len(request.runs) - len(todo)} finished before")
    if not todo:
        return Training(complete=True)
    failed = _train(todo, request)
    records = [record for run in todo if (record := request.store.find(run))]
    scoring_s = sum(record.scoring_seconds or 0.0 for record in records)
    spent_s = sum(record.seconds or 0.0 for record in records)
    return Training(not failed, spent_s - scoring_s, scoring_s)


def all_finished(request: Request) -> bool:
    """Names the runs that have not finished; whether none of them was tried."""
    unfinished = request.store.missing(request.runs)
    for run in unfinished:
        print(f"not finished: {_described(run, request.store)}")
    return not any(request.store.path(run).exists() for run in unfinished)


def estimate(request: Request) -> str:
    """The cells of the selection with what is left to do, and how long that takes here."""
    cells = cells_of(request.runs)
    todo = {key: len(runs) for key, runs in cells_of(_todo(request)).items()}
    first = [asdict(runs[0]) for runs in cells.values()]
    try:
        steps = pool.ask(Estimate(first, request.device))
    except RuntimeError as error:
        steps = [None] * len(first)
        print(f"no estimate: {error}")
    lines, total = [], 0.0
    for (key, runs), step_s in zip(cells.items(), steps, strict=True):
        run_s = runs[0].steps * (step_s or 0.0)
        total += run_s * todo.get(key, 0)
        took = duration(run_s) if step_s else "?"
        lines.append(
            f"{runs[0].model} {runs[0].method}, {runs[0].steps} steps: "
            f"{len(runs)} seed{'s' * (len(runs) > 1)}, {todo.get(key, 0)} to do, {took} each"
        )
    lines.append(
        f"{sum(todo.values())} of {len(request.runs)} runs to do, about "
        f"{duration(total / request.jobs)} of training with {request.jobs} jobs on "
        f"{machine.folder(request.device)}, from three steps of each cell"
    )
    return "\n".join(lines)


def _todo(request: Request) -> list[Run]:
    return request.runs if request.force else request.store.missing(request.runs)


def _train(todo: list[Run], request: Request) -> set[int]:
    """Trains in parallel workers, which write their own records; returns the places of failures."""
    started = now()
    root, device = str(request.store.root), request.device
    with tracking(sum(run.steps for run in todo)) as tracker:
        journal = _Journal(todo, request.store, tracker)

        def serve(groups: list[list[int]], ask: Callable[[list[Plain]], protocol.Request]) -> None:
            pool.serve(
                [ask([asdict(todo[index]) for index in group]) for group in groups],
                request.jobs,
                lambda index, message: journal.note(groups[index], message),
                lambda: now() - started < request.budget_s,
            )

        if request.vectorise:
            groups = selection.groups(todo, request.jobs)
            serve(groups, lambda runs: TrainSeeds(runs, root, device))
        left = [[index] for index in range(len(todo)) if index not in journal.ended]
        serve(left, lambda runs: Train(runs[0], root, device))
        return journal.failed


@dataclass
class _Journal:
    """What the workers have said of the runs, by their place in `todo`."""

    todo: list[Run]
    store: RunStore
    tracker: Tracker
    ended: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)

    def note(self, group: list[int], message: protocol.Reply | Died) -> None:
        """Takes a message about a group of runs; one that dies is trained again, seed by seed."""
        match message:
            case Step(step):
                for index in group:
                    self.tracker.step(index, step)
            case Line(text):
                self.tracker.line(text)
            case Ended(place):
                self._end(group[place])
            case Died(reason) if len(group) == 1:
                record = blank_record(self.todo[group[0]])
                self.store.keep(structs.replace(record, status="failed", reason=reason))
                self._fail(group[0], Failed("failed", reason))
            case Failed() if len(group) == 1:
                self._fail(group[0], message)
            case Done() if len(group) == 1:
                self._end(group[0])

    def _fail(self, index: int, message: Failed) -> None:
        self.failed.add(index)
        if self.store.finished(self.todo[index]):
            told = f"{run_name(self.todo[index])}: {message.status}: {message.reason}"
            self.tracker.line(f"{told}; its finished record stays")
        self._end(index)

    def _end(self, index: int) -> None:
        self.ended.add(index)
        self.tracker.step(index, self.todo[index].steps)
        described = _described(self.todo[index], self.store)
        self.tracker.line(f"[{len(self.ended)}/{len(self.todo)}] {described}")


def _described(run: Run, store: RunStore) -> str:
    """How a run ended, in one line."""
    record = store.find(run)
    if record is None:
        return f"{run_name(run)}: not started"
    if record.status != "done":
        return f"{run_name(run)}: {record.status}: {record.reason}"
    error = record.scores["mse_test"]
    return f"{run_name(run)}: mse_test {error:.3g} in {duration(record.seconds or 0)}"
