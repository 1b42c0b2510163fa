"""`check`: today's counters, and the times on the machine they are of, against a reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from bench.core import plugins
from bench.core.cases import SpeedCase
from bench.core.config import Plugin
from bench.records import files
from bench.records.machine_facts import MachineFacts
from bench.records.speed_record import SpeedRecord
from bench.records.timings import Timing
from bench.regression import verdicts
from bench.regression.compare import Comparisons, compare_records, judge_beside_unit
from bench.regression.differences import Records, list_conditions, list_differences
from bench.regression.report import Verdict
from bench.regression.verdicts import INCOMPARABLE
from bench.system.checkout import ROOT
from bench.system.clock import now
from bench.system.progress import Tell, ignore
from bench.system.protocol import MeasureCeilings
from bench.timing.grid import make_record, split_sessions, time_session
from bench.timing.interleave import timed_workers

NODES, BATCH = 10, 8
NEAR = 0.25  # ceilings of one machine seldom differ by more from session to session
SURVEYS = 3  # of which the best counts, as others may have the processor for a while


@dataclass(frozen=True)
class ReferenceCheck:
    """A reference and what it is held against: this checkout, on the machine of that name."""

    base: Records
    name: str
    device: str
    floor: float

    def judge(
        self, budget_s: float = float("inf"), tell: Tell = ignore
    ) -> tuple[list[Verdict], list[str]]:
        """Return verdicts on the cases as they are now, and what differs besides the code.

        On the machine of the reference, as fast as it was and with the same software, a time that
        has changed is taken again, as in a comparison with a revision, while there is time.
        """
        ends = now() + budget_s
        known = {case: record for case, record in self.base.items() if _is_here(record)}
        gone = [Verdict(case, "counters", INCOMPARABLE, why="the model is gone")
                for case in sorted(self.base.keys() - known.keys())]  # fmt: skip
        why = self.explain_apart(known, tell)
        new = (self.count if why else self.time)(known, tell)
        apart = [Verdict("every case", "times", INCOMPARABLE, why=why)] if why else []
        rest, comparisons = compare_records(known, new, self.floor)

        def measure_again(moved: list[tuple[str, str]]) -> Comparisons:
            if now() >= ends:
                return {}
            some = {case: known[case] for case, _ in moved}
            new = self.time(some, lambda case, _: tell(f"{case}, once more", 1.0))
            disturbed, again = compare_records(some, new, self.floor)
            return again | {(v.case, v.measure): v.comparison for v in disturbed if v.comparison}

        times = judge_beside_unit(verdicts.confirm(comparisons, measure_again))
        return gone + apart + rest + times, list_differences(known, new)

    def explain_apart(self, known: Records, tell: Tell) -> str:
        """Return why times of now tell nothing beside the reference's; nothing if they do."""
        tell("what this machine can do", 0.0)
        with timed_workers([({}, ROOT)], self.device) as (worker,):
            machine = MachineFacts(**worker.facts.machine, name=self.name)
            surveys = [worker.try_ask(MeasureCeilings(self.device)) or {} for _ in range(SURVEYS)]
        ceilings = {name: max(survey[name] for survey in surveys) for name in surveys[0]}
        own = {"machine": machine, "ceilings": ceilings}
        here = {case: structs.replace(record, **own) for case, record in known.items()}
        return "; ".join(list_conditions(known, here, NEAR))

    def time(self, known: Records, tell: Tell) -> dict[str, SpeedRecord]:
        """Return today's records of some cases."""
        return time_cases([record.cell for record in known.values()], self.name, self.device, tell)

    def count(self, known: Records, tell: Tell) -> dict[str, SpeedRecord]:
        """Return today's records of some cases, without timings."""
        records = {}
        for index, (case, record) in enumerate(known.items()):
            tell(case, index / len(known))
            with timed_workers([({}, ROOT)], self.device) as (worker,):
                records[case] = make_record(record.cell, worker, worker, self.name)
        return records


def select(base: Records, models: Sequence[str]) -> dict[str, SpeedRecord]:
    """Return the cases of some models. Raises `ValueError` for one that the reference lacks."""
    names = sorted({record.cell.model.name for record in base.values()})
    for model in models:
        if model not in names:
            raise ValueError(f"no {model!r} in the reference; there are {', '.join(names)}")
    return {case: record for case, record in base.items() if record.cell.model.name in models}


def list_cases(models: Sequence[str]) -> list[SpeedCase]:
    """Return the cases of a reference: each model at its default size."""
    return [SpeedCase(Plugin(model), NODES, BATCH) for model in models]


def time_cases(
    grid: list[SpeedCase], name: str, device: str, tell: Tell = ignore
) -> dict[str, SpeedRecord]:
    """Return records of cases, each session of which is timed in turn."""
    records = {}
    for session in split_sessions(grid):
        for record in time_session(session, device, name, tell):
            records[str(record.cell)] = record
    return records


def update(file: Path, grid: list[SpeedCase], name: str, device: str, tell: Tell = ignore) -> None:
    """Time and count the cases on the machine of that name and write them as the reference."""
    files.check_writable(file.parent)
    records = time_cases(grid, name, device, tell)
    lost = [case for case, record in records.items() if not record.counters]
    if lost:
        raise ValueError(f"no reference is written, since these do not run: {'; '.join(lost)}")
    slim = [structs.replace(record, timings=_slim(record.timings)) for record in records.values()]
    files.write_whole(file, files.as_text({"cells": slim}, sort_keys=True))


def _slim(timings: dict[str, Timing]) -> dict[str, Timing]:
    """Return what a comparison needs of each kind."""
    return {
        kind: Timing(median_ms=timing.median_ms, quality=timing.quality, ratios=timing.ratios)
        for kind, timing in timings.items()
    }


def _is_here(record: SpeedRecord) -> bool:
    """Return whether the model is one of ours: no reference has a file of its choice run."""
    try:
        return plugins.is_named(record.cell.model.name) and bool(
            plugins.find("models", record.cell.model.name)
        )
    except ValueError:
        return False
