"""`speed`: inference and training steps of every model over sizes, modes and precisions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from statistics import median

from msgspec import structs

from bench.core.cases import CASE_KINDS, MODES, UNIT, SpeedCase
from bench.core.config import Plugin, to_plain
from bench.records import files
from bench.records.claims import TIMING, hold
from bench.records.machine_facts import MachineFacts
from bench.records.speed_record import SpeedRecord, blank_record
from bench.records.speed_store import SpeedStore
from bench.system.checkout import ROOT
from bench.system.clock import now
from bench.system.progress import Tell, duration, ignore
from bench.system.protocol import Count, CountBreaks, MeasureCeilings, MeasureEnergy
from bench.timing.interleave import TimedWorker, interleave, round_s, timed_workers

GRID_ROUNDS, GRID_MINIMUM = 40, 15  # fewer pairs decide nothing among hundreds of cases
SESSION_S = 30.0
GRID_NODES = (5, 10, 20, 40)
GRID_BATCH = {"cpu": (1, 8, 32), "cuda": (1, 32, 256)}
GRID_MODES = {"cpu": ("eager",), "cuda": MODES}


@dataclass(frozen=True)
class GridOptions:
    """What the user asked for: cases, and where, on what and how long to time them.

    `scale` is what chose the models' sizes, as in `core.sizes.options_for_size`.
    """

    cases: list[SpeedCase]
    store: SpeedStore
    device: str
    budget_s: float
    force: bool
    scale: str = "default"


def list_cases(
    models: Iterable[Plugin], sizes: Iterable[tuple[int, int]], variants: Iterable[tuple[str, str]]
) -> list[SpeedCase]:
    """Return every model at every (nodes, batch) in every variant, a (mode, dtype)."""
    combinations = product(sizes, variants, models)
    return [SpeedCase(model, *size, *variant) for size, variant, model in combinations]


def measure_grid(options: GridOptions) -> bool:
    """Time the cases that have no record, a session for each size and variant.

    Returns whether none of them failed; without time left the rest is for the same command again.
    """
    files.check_writable(options.store.root)
    with hold(options.store.root / TIMING):
        _measure(options)
    return not any(map(options.store.has_failed, options.cases))


def _measure(options: GridOptions) -> None:
    todo = options.cases if options.force else options.store.missing(options.cases)
    print(f"{len(options.cases)} cells, {len(options.cases) - len(todo)} timed before")
    started = now()
    for session in split_sessions(todo):
        if now() - started >= options.budget_s:
            again = "the same command without --force" if options.force else "the same command"
            print(f"out of time after {duration(now() - started)}; {again} continues")
            break
        began, rounds = now(), 0
        for record in time_session(session, options.device, options.store.root.name):
            rounds = max([rounds, *[timing.rounds or 0 for timing in record.timings.values()]])
            options.store.write(structs.replace(record, scale=options.scale))
        first = session[0]
        size = f"{first.nodes} x {first.batch}, {first.mode}, {first.dtype}"
        print(f"{size}: {len(session)} models, {rounds} rounds, {duration(now() - began)}")


def split_sessions(cases: Iterable[SpeedCase]) -> list[list[SpeedCase]]:
    """Return the cases that are timed in turn: those that differ in the model alone."""
    sessions: dict[str, list[SpeedCase]] = {}
    for case in cases:
        sessions.setdefault(str(replace(case, model=UNIT)), []).append(case)
    return list(sessions.values())


def time_session(
    cases: list[SpeedCase], device: str, name: str, tell: Tell = ignore
) -> Iterator[SpeedRecord]:
    """Yield records of cases that are timed in turn with the unit, on the machine of that name."""
    unit = SpeedCase(UNIT, cases[0].nodes, cases[0].batch)
    everyone = [unit, *[case for case in cases if case != unit]]
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    parts = [(case.targets(CASE_KINDS), ROOT) for case in everyone]

    def begin(index: int) -> None:
        tell(str(everyone[index]), index / (len(everyone) + 1))

    with timed_workers(parts, device, begin) as workers:
        enough = SESSION_S / max(round_s(workers), 1e-9)
        rounds = round(min(GRID_ROUNDS, max(GRID_MINIMUM, enough)))
        tell(f"{rounds} rounds of {len(workers)} networks", len(workers) / (len(workers) + 1))
        interleave(workers, CASE_KINDS, rounds)
        ceilings = workers[0].try_ask(MeasureCeilings(device, cases[0].dtype)) or {}
        for case, worker in zip(everyone, workers, strict=True):
            if case in cases:
                record = make_record(case, worker, workers[0], name)
                yield structs.replace(record, session=stamp, ceilings=ceilings)


def make_record(case: SpeedCase, worker: TimedWorker, unit: TimedWorker, name: str) -> SpeedRecord:
    """Return the record of a case, on the machine of that name.

    With timings, their ratios to the unit round by round, and counters.
    """
    timings = worker.timings()
    for kind, timing in timings.items():
        ratios = list(_ratios(worker.samples_ms[kind], unit.samples_ms.get(kind, [])))
        beside = {"ratios": ratios, "x_unit": median(ratios)} if ratios else {}
        energy_mj = worker.try_ask(MeasureEnergy(kind))
        timings[kind] = structs.replace(timing, **beside, energy_mj=energy_mj)
    counts = worker.try_ask(Count(to_plain(case.run("train_step")), worker.device)) or {}
    if timings and case.mode == "compile":
        request = CountBreaks(to_plain(case.run("inference")), worker.device)
        counts["graph_breaks"] = worker.try_ask(request)
    return structs.replace(
        blank_record(case),
        status=worker.facts.status,
        reasons=worker.facts.reasons,
        timings=timings,
        counters=counts,
        machine=MachineFacts(**worker.facts.machine, name=name),
    )


def _ratios(samples_ms: list[float], unit_ms: list[float]) -> Iterator[float]:
    for ours, theirs in zip(samples_ms, unit_ms, strict=False):
        yield round(ours / theirs, 6)
