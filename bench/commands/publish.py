"""`publish`: local records become committed evidence."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import MISSING, OK, _options
from bench.system.checkout import ROOT

if TYPE_CHECKING:
    from bench.core.config import Run
    from bench.records.run_record import RunRecord

LEADERBOARD = ROOT / "docs" / "leaderboard.md"
EXAMPLE = "publish --only task=nbody_gravity"


def arguments(command: ArgumentParser) -> None:
    """Add what the command line takes."""
    command.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="KEY=GLOB",
        help="runs that match, as of `run`; speeds go along where there is no --only",
    )  # fmt: skip
    command.add_argument(
        "--to", type=_options.results_folder, default=_options.PUBLISHED, metavar="DIR",
        help="folder of evidence (default: results/published)",
    )  # fmt: skip
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """copy local records into the committed evidence, if they say how they were made"""
    from bench.records import files
    from bench.records.merging import Merger, explain_untraceable
    from bench.records.run_store import EVIDENCE
    from bench.reporting.leaderboard import write_page
    from bench.training import selection

    machines, published = _options.read_machines(options), 0
    everything = [record.run for records in machines.values() for record in records]
    runs = selection.select(everything, options.only)
    for root, records in machines.items():
        keys = {_name(record) for record in _choose(records, runs)}
        if options.only and not keys:
            continue
        merger = Merger(options.to / root.name, root.name, EVIDENCE)
        merger.add_runs(root, lambda record, keys=keys: _name(record) in keys)
        if not options.only:
            merger.add_times(root, lambda record: not explain_untraceable(record.machine))
        _rebuild(merger.target)
        print("\n".join(merger.describe()))
        published += merger.added + merger.known
    if options.to.resolve() == _options.PUBLISHED.resolve():
        files.write_whole(LEADERBOARD, write_page(options.to))
    return OK if published else MISSING


def _choose(records: list[RunRecord], runs: list[Run]) -> list[RunRecord]:
    """Return the records of the runs that are evidence; the others are named."""
    from bench.core.config import canonical
    from bench.records.merging import explain_unpublishable

    wanted = {canonical(run) for run in runs}
    chosen = [record for record in records if canonical(record.run) in wanted]
    reasons = {_name(record): explain_unpublishable(record) for record in chosen}
    for name, why in reasons.items():
        if why:
            print(f"left out: {name}: {why}")
    return [record for record in chosen if not reasons[_name(record)]]


def _rebuild(root: Path) -> None:
    """Write the tables of a machine's folder anew."""
    from bench.records.run_store import RunStore
    from bench.reporting.peers_table import write_peers_table
    from bench.reporting.runs_table import write_runs_table
    from bench.reporting.scaling_table import write_scaling_table
    from bench.reporting.speed_table import write_speed_table

    write_runs_table(root, RunStore(root).load()[0], "text", None)
    write_speed_table(root, "text")
    write_peers_table(root, "text")
    write_scaling_table(root, "text")


def _name(record: RunRecord) -> str:
    from bench.core.keys import run_name

    return f"{record.run.task.stem}/{run_name(record.run, record.key)}"
