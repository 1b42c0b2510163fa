"""`check`: today's counters, and the times on the machine they are of, against a reference."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from bench.core import plugins
from bench.core.cases import Cell
from bench.core.config import Plugin
from bench.records import files
from bench.records.speed_record import SpeedRecord
from bench.records.speed_store import SpeedStore
from bench.records.timings import Timing
from bench.regression import compare, verdicts
from bench.regression.report import Finding
from bench.regression.verdicts import INCOMPARABLE
from bench.system.checkout import ROOT
from bench.timing import grid as timing_grid
from bench.timing.interleave import players

NODES, BATCH = 10, 8


def reference(models: Sequence[str]) -> list[Cell]:
    """The cells of a reference: each model at its default size."""
    return [Cell(Plugin(model), NODES, BATCH) for model in models]


def update(file: Path, grid: list[Cell], name: str, device: str) -> None:
    """Times and counts the cells on the machine of that name and writes them as the reference."""
    files.check_writable(file.parent)
    found = _timed(grid, name, device)
    lost = [cell for cell, record in found.items() if not record.counters]
    if lost:
        raise ValueError(f"no reference is written, since these do not run: {'; '.join(lost)}")
    slim = [structs.replace(record, timings=_slim(record.timings)) for record in found.values()]
    files.write_whole(file, files.as_text({"cells": slim}, sort_keys=True))


def _slim(timings: dict[str, Timing]) -> dict[str, Timing]:
    """What a comparison needs of each kind."""
    return {
        kind: Timing(median_ms=timing.median_ms, quality=timing.quality, ratios=timing.ratios)
        for kind, timing in timings.items()
    }


def check(
    base: dict[str, SpeedRecord], name: str, device: str, floor: float
) -> tuple[list[Finding], list[str]]:
    """Findings on the reference's cells as they are now, and what differs besides the code.

    On the machine of the reference a time that has changed is taken again, as in a comparison with
    a revision.
    """
    known = {cell: record for cell, record in base.items() if _is_here(record)}
    grid = [record.cell for record in known.values()]
    here = {record.machine.name for record in known.values()} == {name}
    new = (_timed if here else _counted)(grid, name, device)
    gone = [Finding(cell, "counters", INCOMPARABLE, why="the model is gone")
            for cell in sorted(base.keys() - known.keys())]  # fmt: skip
    found, changes = compare.look(known, new, floor)

    def again(moved: list[tuple[str, str]]) -> compare.Changes:
        some = {cell: known[cell] for cell, _ in moved}
        grid = [record.cell for record in some.values()]
        return compare.look(some, _timed(grid, name, device), floor)[1]

    found += compare.beside_the_unit(verdicts.confirmed(changes, again))
    return gone + found, compare.differences(known, new)


def _is_here(record: SpeedRecord) -> bool:
    try:
        return bool(plugins.find("models", record.cell.model.name))
    except ValueError:
        return False


def _timed(grid: list[Cell], name: str, device: str) -> dict[str, SpeedRecord]:
    with tempfile.TemporaryDirectory() as folder:
        store = SpeedStore(Path(folder) / name)
        timing_grid.measure(timing_grid.Request(grid, store, device, float("inf"), force=True))
        return {str(cell): store.read(store.path(cell)) for cell in grid}


def _counted(grid: list[Cell], name: str, device: str) -> dict[str, SpeedRecord]:
    """Records without timings."""
    found = {}
    for cell in grid:
        with players([({}, ROOT)], device) as (player,):
            found[str(cell)] = timing_grid.record(cell, player, player, name)
    return found
