"""`explain`: why two results differ."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import OK, _options

if TYPE_CHECKING:
    from bench.records.run_record import RunRecord
    from bench.reporting.explanation import Side

EXAMPLE = "explain c827d98e afc5d810 --results results/published"


def arguments(command: ArgumentParser) -> None:
    """Add what the command line takes."""
    for name in ("A", "B"):
        text = "the file of a record, or the key of a row: the eight digits in names of files"
        command.add_argument(name, help=text)
    _options.results_argument(command)


def run(options: Namespace) -> int:
    """rank what differs between two results by how much of the gap it can account for"""
    from bench.reporting.explanation import explain

    stores = _read_stores(options)
    sides = [_find(name, stores) for name in (options.A, options.B)]
    pool = [record for records in stores for record in records]
    lines = explain(*sides, [*pool, *sides[0].records, *sides[1].records])
    print("\n".join(lines) or "neither error nor time is known of both")
    return OK


def _read_stores(options: Namespace) -> list[list[RunRecord]]:
    """Return the records of each machine, those with most of what is asked for first."""
    from bench.records.run_store import RunStore

    roots = _options.list_machines(options, _options.RECORDS[0])
    stores = [_options.read_runs(RunStore(root)) for root in roots]
    return sorted(stores, key=lambda own: -len({r.key for r in own} & {options.A, options.B}))


def _find(name: str, stores: list[list[RunRecord]]) -> Side:
    """Return the record in a file, or a row. Raises `ValueError` if it has not finished."""
    from bench.records import files, run_record
    from bench.reporting.explanation import Side

    rows = ([record for record in own if record.key == name] for own in stores)
    records = next(filter(None, rows), None)
    if records is None and not Path(name).exists():
        raise ValueError(f"{name!r} is neither the key of a row nor a file")
    records = records or [files.read_record(Path(name), run_record.parse)]
    finished = [record for record in records if record.status == "done"]
    if not finished:
        raise ValueError(f"{name} has not finished: {records[0].status}: {records[0].reason}")
    return Side(finished)
