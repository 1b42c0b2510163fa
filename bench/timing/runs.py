"""The times of runs: what has none yet, in one session, beside a row that relates the sessions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import NamedTuple

from msgspec.structs import replace

from bench.core import plugins
from bench.core.cases import UNTRAINABLE, TimingTarget
from bench.core.config import Run, to_plain
from bench.core.keys import run_key, run_name
from bench.records.claims import TIMING, hold
from bench.records.run_record import RunRecord
from bench.records.run_store import RunStore
from bench.records.timings import Timing
from bench.system import machine
from bench.system.checkout import ROOT
from bench.system.protocol import Count
from bench.timing.interleave import TimedWorker, interleave, timed_workers
from bench.training.selection import by_configuration

SWEEP_ROUNDS = 40
SWEEP_KINDS = ("inference", "train_step")
Configurations = dict[str, list[Run]]  # by key, the seeds of each


def measure_runs(runs: Sequence[Run], store: RunStore, device: str, limit_s: float = inf) -> bool:
    """Time each configuration of the runs that has no time, beside one row of its task.

    All networks are sampled in turn, each in a fresh process, and by one process of several that
    want to; one that answers later than the limit is given up. A task whose earlier times know of
    no such row has all of its rows timed again, so that they can be compared. Returns whether no
    worker died of it; what one has not timed is for the same command again.
    """
    if not _plan(runs, store)[1]:
        return True
    with hold(store.root / TIMING):
        return _measure(*_plan(runs, store), store, device, limit_s)


def _plan(runs: Sequence[Run], store: RunStore) -> tuple[Configurations, dict[str, str]]:
    """Return configurations, and which of them are to be timed, each beside which."""
    wanted, known = {run_key(run) for run in runs if store.finished(run)}, {}
    beside: dict[str, str] = {}
    for configurations in _by_task(runs, store).values():
        for seeds in configurations.values():
            _share(seeds, store)
        beside |= choose_rows(configurations, wanted, store)
        known |= configurations
    return known, beside


def _measure(
    known: Configurations, beside: Mapping[str, str], store: RunStore, device: str, limit_s: float
) -> bool:
    session = datetime.now(UTC).isoformat(timespec="seconds")
    chosen = {key: known[key] for key in beside}
    samples = _sample(chosen, device, limit_s) if chosen else {}
    for key, row in samples.items():
        reference = samples[beside[key]].timings
        related = {
            kind: replace(relate(timing, reference.get(kind), beside[key]), session=session)
            for kind, timing in row.timings.items()
        }
        _keep(chosen[key], row._replace(timings=related), session, store)
        _name_untimed(chosen[key][0], row.reasons)
    return not any(row.died for row in samples.values())


def choose_rows(
    configurations: Configurations, wanted: set[str], store: RunStore
) -> dict[str, str]:
    """Return the rows of a task that are to be timed, each with the row that it is timed beside."""
    records = {key: store.finished(seeds[0]) for key, seeds in configurations.items()}
    timed = {key: record for key, record in records.items() if record and _session_of(record)}
    untimed = [key for key in configurations if key in wanted and key not in timed]
    if not untimed:
        return {}
    earlier = (t.beside for record in timed.values() for t in record.timings.values())
    reference = next((key for key in earlier if key in configurations), None)
    if reference is None:
        return dict.fromkeys(configurations, _choose_reference(records))
    return dict.fromkeys([*untimed, reference], reference)


def relate(timing: Timing, reference: Timing | None, key: str) -> Timing:
    """Return the timing with its ratios, round by round, to one of its session that was quiet."""
    if reference is None or reference.quality == "C":
        return timing
    pairs = zip(timing.samples_ms, reference.samples_ms, strict=False)
    return replace(timing, beside=key, ratios=[round(own / other, 6) for own, other in pairs])


def _choose_reference(records: Mapping[str, RunRecord | None]) -> str:
    """Return the key of the first exact network, else of the first that is not trivial, or any."""
    exact = [key for key, r in records.items() if r and r.equivariant and not r.trivial]
    serious = [key for key, r in records.items() if r and not r.trivial]
    return [*exact, *serious, *records][0]


class Row(NamedTuple):
    """Timings, reasons for those that are missing, and counters.

    And whether the worker has died, and whether it ran code that no commit holds.
    """

    timings: dict[str, Timing]
    reasons: dict[str, str]
    counters: dict[str, int | None]
    died: bool
    dirty: bool


def _sample(chosen: Configurations, device: str, limit_s: float) -> dict[str, Row]:
    """Return what was measured of each configuration."""
    networks = len({str(seeds[0].model) for seeds in chosen.values()})
    how = f"in turn, {networks} networks in a process each"
    print(f"timing {len(chosen)} cells here, on {machine.folder(device)}, {how}", flush=True)
    processes: dict[str, list[str]] = {}
    for key, seeds in chosen.items():
        processes.setdefault(str(seeds[0].model), []).append(key)
    targets = [_targets({key: chosen[key][0] for key in keys}) for keys in processes.values()]
    parts = [(part, ROOT) for part in targets]
    with timed_workers(parts, device, limit_s=limit_s) as workers:
        interleave(workers, [name for part in targets for name in part], SWEEP_ROUNDS)
        return {
            key: _collect(key, chosen[key][0], worker)
            for keys, worker in zip(processes.values(), workers, strict=True)
            for key in keys
        }


def _targets(runs: Mapping[str, Run]) -> dict[str, TimingTarget]:
    return {
        _name(kind, key): TimingTarget(run, kind == "train_step")
        for key, run in runs.items()
        for kind in SWEEP_KINDS
    }


def _name(kind: str, key: str) -> str:
    return f"{kind} of {key}"


def _collect(key: str, run: Run, worker: TimedWorker) -> Row:
    timings, names = worker.timings(), {kind: _name(kind, key) for kind in SWEEP_KINDS}
    missing = {kind: name for kind, name in names.items() if name not in timings}
    code = worker.facts.machine
    found = {kind: timings[name] for kind, name in names.items() if name in timings}
    return Row(
        {kind: replace(own, commit=code.get("commit")) for kind, own in found.items()},
        {kind: worker.facts.reasons.get(name, "") for kind, name in missing.items()},
        worker.try_ask(Count(to_plain(run), worker.device)) or {},
        bool(worker.death),
        bool(code.get("dirty")),
    )


def _keep(seeds: list[Run], row: Row, session: str, store: RunStore) -> None:
    """Write times and counters into the record of each seed that has none.

    A row that cannot be timed is not tried again, one whose worker died is. What uncommitted code
    was timed as is no evidence, whatever code was trained.
    """
    changes = {"timings": row.timings, "counters": row.counters} if row.timings else {}
    if not row.timings and not row.died:
        changes = {"untimed": session}
    for run in seeds:
        record = store.finished(run)
        if changes and record and not (_session_of(record) and _is_related(record)):
            facts = replace(record.machine, dirty=record.machine.dirty or row.dirty)
            store.write(replace(record, machine=facts, **changes))


def _is_related(record: RunRecord) -> bool:
    return any(timing.beside for timing in record.timings.values())


def _name_untimed(run: Run, reasons: Mapping[str, str]) -> None:
    for kind, reason in reasons.items():
        if not reason.endswith(UNTRAINABLE):
            print(f"no {kind} timing for {run_name(run)}: {reason}")


def _share(seeds: list[Run], store: RunStore) -> None:
    """Give seeds that came later the times and counters of their configuration."""
    records = [record for run in seeds if (record := store.finished(run))]
    timed = next((record for record in records if record.timings), None)
    for record in records:
        if timed and not _session_of(record):
            facts = replace(record.machine, dirty=record.machine.dirty or timed.machine.dirty)
            shared = {"timings": timed.timings, "counters": timed.counters}
            store.write(replace(record, machine=facts, **shared))


def _session_of(record: RunRecord) -> str | None:
    """Return the last session in which the record's row was timed, or could not be."""
    sessions = [timing.session for timing in record.timings.values() if timing.session]
    return max([*sessions, record.untimed or ""]) or None


def _by_task(runs: list[Run], store: RunStore) -> dict[str, Configurations]:
    """Return all finished configurations of the tasks of the runs, by task, as they are today.

    Those that the store alone knows are taken by the names of plug-ins, or paths that `runs` have:
    a record has no file run that nobody asked for.
    """
    tasks, named = (
        {str(run.task) for run in runs},
        {p.name for r in runs for p in r.plugins.values()},
    )
    kept = [record.run for record in store.load()[0] if str(record.run.task) in tasks]
    known = {run_name(run): run for run in kept if _is_known(run, named) and _is_current(run)}
    known |= {run_name(run): run for run in runs}
    runs_of_task: dict[str, list[Run]] = {}
    for run in filter(store.finished, known.values()):
        runs_of_task.setdefault(str(run.task), []).append(run)
    return {task: by_configuration(own) for task, own in runs_of_task.items()}


def _is_known(run: Run, named: set[str]) -> bool:
    return all(plugins.is_named(p.name) or p.name in named for p in run.plugins.values())


def _is_current(run: Run) -> bool:
    """Return whether the run's plug-ins are all still there."""
    try:
        return bool(run_key(run))
    except ValueError:
        return False
