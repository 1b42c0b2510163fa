"""Has an engine train the runs that a sweep lacks."""

import os
from dataclasses import dataclass
from math import inf
from pathlib import Path

from bench.core.config import Run, to_plain
from bench.core.keys import run_name
from bench.records import files
from bench.records.claims import claiming
from bench.records.files import State
from bench.records.run_store import ARTIFACTS, RunStore
from bench.system import environment, machine, pool
from bench.system.clock import now
from bench.system.progress import duration, tracking
from bench.system.protocol import Estimate
from bench.training import scalars, selection
from bench.training.dispatch import Dispatcher
from bench.training.engines import LOCAL, Choice, open_engine
from bench.training.journal import Journal, describe
from bench.training.selection import by_configuration


@dataclass(frozen=True)
class TrainingOptions:
    """What the user asked for: selected runs of a sweep, and where and how to run them."""

    runs: list[Run]
    store: RunStore
    device: str
    jobs: int
    budget_s: float
    force: bool
    vectorise: bool = False
    timeout_s: float = inf
    log_dir: Path | None = None
    engine: Choice = LOCAL


@dataclass(frozen=True)
class Training:
    """How the training of what was missing went, and the seconds that its workers spent."""

    complete: bool
    training_s: float = 0.0
    scoring_s: float = 0.0


def train_missing(options: TrainingOptions) -> Training:
    """Train and score what is missing. A store that lacks nothing need not be writable."""
    if options.log_dir:
        scalars.check_folder(options.log_dir)
    options.store.set_aside_damaged(options.runs)
    before = {options.store.path(run): options.store.state(run) for run in options.runs}
    todo = _todo(options)
    print(f"{len(options.runs)} runs, {len(options.runs) - len(todo)} finished before")
    if not options.force:
        _catch_up([run for run in options.runs if options.store.finished(run)], options)
    if not todo:
        return Training(complete=True)
    files.check_writable(options.store.root)
    failed = _train(todo, [before[options.store.path(run)] for run in todo], options)
    records = [record for run in todo if (record := options.store.find(run))]
    scoring_s = sum(record.scoring_seconds or 0.0 for record in records)
    spent_s = sum(record.seconds or 0.0 for record in records)
    return Training(not failed, spent_s - scoring_s, scoring_s)


def _catch_up(finished: list[Run], options: TrainingOptions) -> None:
    """Log what finished runs lack there, and say which of them lack what is to be kept."""
    if options.log_dir:
        scalars.write_missing(options.log_dir, finished, options.store)
    for name in os.environ.get(environment.KEPT, "").split():
        kept = [options.store.path(run).with_suffix(ARTIFACTS[name]) for run in finished]
        if lacking := sum(not file.exists() for file in kept):
            print(f"{lacking} of the finished runs have no {name}; --force trains them again")


def all_finished(options: TrainingOptions) -> bool:
    """Name the runs that have not finished; return whether none of them was tried."""
    unfinished = options.store.missing(options.runs)
    for run in unfinished:
        print(f"not finished: {describe(run, options.store)}")
    return not any(options.store.path(run).exists() for run in unfinished)


def estimate(options: TrainingOptions) -> str:
    """Return the configurations with what is left to do, and how long that takes here."""
    configurations = by_configuration(options.runs)
    todo = {key: len(runs) for key, runs in by_configuration(_todo(options)).items()}
    first = [to_plain(runs[0]) for runs in configurations.values()]
    try:
        steps = pool.ask(Estimate(first, options.device), options.timeout_s)
    except RuntimeError as error:
        steps = [None] * len(first)
        print(f"no estimate: {error}")
    lines, times = [], []
    for (key, runs), step_s in zip(configurations.items(), steps, strict=True):
        run_s, left = runs[0].steps * (step_s or 0.0), todo.get(key, 0)
        times += [run_s if step_s else None] * left
        each = duration(run_s) if step_s else "?"
        lines.append(
            f"{runs[0].model} {runs[0].method}, {runs[0].steps} steps: "
            f"{len(runs)} seed{'s' * (len(runs) > 1)}, {left} to do, {each} each"
        )
    jobs = options.jobs if options.engine.is_local else min(options.jobs, max(len(times), 1))
    lines.append(
        f"{len(times)} of {len(options.runs)} runs to do, {_say_total(times, jobs)} with {jobs} "
        f"job{'s' * (jobs > 1)} on {machine.folder(options.device)}, from three steps of each cell"
    )
    return "\n".join(lines)


def _say_total(times: list[float | None], jobs: int) -> str:
    """Return how long runs take, in words that leave out none whose time is not known."""
    known = [run_s for run_s in times if run_s is not None]
    if times and not known:
        return "for an unknown time"
    more = f" of {len(known)} and an unknown time of {len(times) - len(known)}"
    return f"about {duration(sum(known) / jobs)} of training{more * (len(known) < len(times))}"


def _todo(options: TrainingOptions) -> list[Run]:
    return options.runs if options.force else options.store.missing(options.runs)


def _train(todo: list[Run], before: list[State], options: TrainingOptions) -> set[int]:
    """Have an engine train runs, which write their own records; return the places of failures.

    What other processes train is left to them, and waited for.
    """
    ends_s, lengths = now() + options.budget_s, [run.steps for run in todo]
    most = min(options.jobs, len(todo))
    with (
        open_engine(options.engine, most, options.store.root) as engine,
        tracking([*map(run_name, todo)], lengths) as tracker,
        claiming() as claims,
    ):
        journal = Journal(todo, before, options.store, tracker, claims, options.log_dir)
        at_once = most if options.engine.is_local else 1
        groups = selection.group_seeds(todo, at_once) if options.vectorise else []
        alone = {*range(len(todo))}.difference(*groups)
        dispatcher = Dispatcher(engine, journal, options.device, most, options.timeout_s)
        dispatcher.serve([*groups, *([index] for index in sorted(alone))], ends_s)
        return journal.failed
