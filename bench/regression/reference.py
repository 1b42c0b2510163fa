"""`check`: today's counters, and the times on the machine they are of, against a reference."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from bench.core import plugins
from bench.core.cases import Cell
from bench.core.config import Plugin
from bench.records import files, speed_store
from bench.records.speed_record import SpeedRecord
from bench.records.timings import Timing
from bench.regression import compare, verdicts
from bench.regression.report import Verdict
from bench.regression.verdicts import INCOMPARABLE
from bench.system.checkout import ROOT
from bench.timing import grid as timing_grid
from bench.timing.interleave import players

NODES, BATCH = 10, 8


def list_cases(models: Sequence[str]) -> list[Cell]:
    """Return the cases of a reference: each model at its default size."""
    return [Cell(Plugin(model), NODES, BATCH) for model in models]


def update(file: Path, grid: list[Cell], name: str, device: str) -> None:
    """Time and count the cases on the machine of that name and write them as the reference."""
    files.check_writable(file.parent)
    records = _time(grid, name, device)
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


def check(
    base: dict[str, SpeedRecord], name: str, device: str, floor: float
) -> tuple[list[Verdict], list[str]]:
    """Return verdicts on the reference's cases as they are now, and what differs besides the code.

    On the machine of the reference a time that has changed is taken again, as in a comparison with
    a revision.
    """
    known = {case: record for case, record in base.items() if _is_here(record)}
    grid = [record.cell for record in known.values()]
    here = {record.machine.name for record in known.values()} == {name}
    new = (_time if here else _count)(grid, name, device)
    gone = [Verdict(case, "counters", INCOMPARABLE, why="the model is gone")
            for case in sorted(base.keys() - known.keys())]  # fmt: skip
    rest, comparisons = compare.compare_records(known, new, floor)

    def measure_again(moved: list[tuple[str, str]]) -> compare.Comparisons:
        some = {case: known[case] for case, _ in moved}
        grid = [record.cell for record in some.values()]
        return compare.compare_records(some, _time(grid, name, device), floor)[1]

    times = compare.judge_beside_unit(verdicts.confirm(comparisons, measure_again))
    return gone + rest + times, compare.list_differences(known, new)


def _is_here(record: SpeedRecord) -> bool:
    try:
        return bool(plugins.find("models", record.cell.model.name))
    except ValueError:
        return False


def _time(grid: list[Cell], name: str, device: str) -> dict[str, SpeedRecord]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / name
        timing_grid.measure(timing_grid.Request(grid, root, device, float("inf"), force=True))
        return {str(cell): speed_store.read(speed_store.path(root, cell)) for cell in grid}


def _count(grid: list[Cell], name: str, device: str) -> dict[str, SpeedRecord]:
    """Return records without timings."""
    records = {}
    for case in grid:
        with players([({}, ROOT)], device) as (player,):
            records[str(case)] = timing_grid.record(case, player, player, name)
    return records
