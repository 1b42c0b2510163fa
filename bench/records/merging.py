"""Stores merged: errors of all machines pool, times are those of one machine alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import structs

from bench.records import files
from bench.records.machine_facts import MachineFacts
from bench.records.peer_store import PeerStore
from bench.records.run_record import RunRecord
from bench.records.run_store import KEPT, RunStore
from bench.records.speed_store import SpeedStore
from bench.records.store import Store

FACTS = ("processor", "threads", "python", "torch", "e3nn", "date", "commit")


@dataclass
class Merger:
    """Copies records into the folder `target`, times of the machine `clock` alone, and counts them.

    With each record comes what lies `beside` it, by the ends of its names. A finished record is
    never replaced, and another one by nothing but a finished one.
    """

    target: Path
    clock: str
    beside: Sequence[str] = KEPT
    added: int = 0
    known: int = 0
    differ: list[str] = field(default_factory=list)

    def add_runs(self, source: Path, chosen: Callable[[RunRecord], bool] = lambda _: True) -> None:
        """Copy the chosen runs of a machine's folder; what comes from elsewhere says from where."""
        store, theirs = RunStore(self.target), RunStore(source)
        records = _read(theirs)
        timed = find_own_clock(source, records) == self.clock
        for record in filter(chosen, records):
            if self._add(store, self._adapt(record, source, timed=timed)):
                for end in self.beside:
                    beside = theirs.path_of(record).with_suffix(end)
                    if beside.is_file():
                        copy = store.path_of(record).with_suffix(end)
                        files.write_whole(copy, beside.read_bytes())

    def add_times(self, source: Path, chosen: Callable[[Any], bool] = lambda _: True) -> None:
        """Copy what was timed alone, speeds and other packages, if it is of the machine."""
        if source.name == self.clock:
            for store, theirs in ((SpeedStore(self.target), SpeedStore(source)),
                                  (PeerStore(self.target), PeerStore(source))):  # fmt: skip
                for record in filter(chosen, _read(theirs)):
                    self._add(store, record)

    def describe(self) -> list[str]:
        """Return what was done, and a line for each record that is not what another says."""
        counts = f"{self.target}: {self.added} added, {self.known} there before"
        kept = [f"differs, and the one that was there is kept: {name}" for name in self.differ]
        return [f"{counts}, times of {self.clock}", *kept]

    def _adapt(self, record: RunRecord, source: Path, *, timed: bool) -> RunRecord:
        origin = origin_of(record, source)
        if origin != self.target.name:
            machine = structs.replace(record.machine, name=origin)
            record = structs.replace(record, machine=machine)
        if not timed:
            record = structs.replace(record, timings={}, untimed=None)
        return record

    def _add(self, store: Store, record: object) -> bool:
        file = store.path_of(record)
        before = store.read(file) if file.is_file() else None
        if before is not None and (store.is_finished(before) or not store.is_finished(record)):
            self.known += 1
            if _result(before) != _result(record):
                self.differ.append(file.name)
            return False
        store.write(record)
        self.added += 1
        return True


def find_clock(target: Path, sources: Sequence[Path]) -> str:
    """Return the machine whose times count in a folder.

    That of the times that are there; else the one that the folder is named after, else the first.
    """
    records = RunStore(target).load()[0]
    if any(record.timings for record in records):
        return find_own_clock(target, records)
    names = [find_own_clock(source, RunStore(source).load()[0]) for source in sources]
    return target.name if target.name in names else names[0]


def find_own_clock(root: Path, records: Sequence[RunRecord]) -> str:
    """Return the machine that took the times in a folder: its own, or the one of a pool.

    A machine times what others have trained, too, so one trained and timed there tells.
    """
    timed = {origin_of(record, root) for record in records if record.timings}
    return root.name if root.name in timed else min(timed, default=root.name)


def origin_of(record: RunRecord, root: Path) -> str:
    """Return the name of the machine that made a record, which lies in a folder."""
    return record.machine.name or root.name


def explain_unpublishable(record: RunRecord) -> str:
    """Return why a run is no evidence for others; "" if it is."""
    if record.status != "done":
        return f"{record.status}: {record.reason}"
    if why := explain_untraceable(record.machine):
        return why
    own = [p.name for p in record.run.plugins.values() if p.name.endswith(".py")]
    return f"{own[0]} is no part of the suite" if own else ""


def explain_untraceable(machine: MachineFacts) -> str:
    """Return why nobody can make a record again from its facts; "" if somebody can."""
    lacking = [name for name in FACTS if not getattr(machine, name)]
    if lacking:
        return f"its record does not say {', '.join(lacking)}"
    return "made by code that no commit holds" if machine.dirty else ""


def _read(store: Store) -> list:
    """Return all records. Raises `ValueError` for a store with damaged ones."""
    records, problems = store.load()
    if problems:
        raise ValueError(f"nothing is merged of a folder with damaged records: {problems[0]}")
    return records


def _result(record: object) -> object:
    """Return what a record says, apart from when and how fast."""
    return (record.status, record.scores) if isinstance(record, RunRecord) else record
