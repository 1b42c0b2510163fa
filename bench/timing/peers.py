"""Other packages' networks measured, size by size: what is timed is kept, time is shared out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from bench.core import plugins
from bench.records import peer_record
from bench.records.claims import TIMING, hold
from bench.records.peer_record import PeerCase, PeerRecord
from bench.records.peer_store import MANY, NEIGHBOURS, PeerStore, installed_version
from bench.system.clock import now
from bench.system.pool import Pool
from bench.system.progress import duration
from bench.system.protocol import Done, MeasurePeer

CLOUDS = ((5, 128), (20, 32), (100, 1), (300, 1), (1000, 1), (3000, 1))
BUDGET_S = 14 * 60.0  # of a whole table, if nothing else is asked for
LONGEST_MS = 500  # of a training step; sizes at which one would take longer are left out
ROUNDS, WARM_UP_S = 5, 0.6  # what a size takes at least, if it grows as its edges do
PATIENCE_S = 60.0  # beyond the budget, with a worker that does not answer


@dataclass(frozen=True)
class PeerOptions:
    """What to time: peers, by name or by a path that ends in .py, where, and for how long."""

    store: PeerStore
    device: str
    names: list[str] = field(default_factory=list)
    budget_s: float = BUDGET_S
    force: bool = False


def measure_peers(options: PeerOptions) -> bool:
    """Time all sizes of every installed peer that its record has not, each peer in a process.

    What is left of the budget is shared out evenly among the peers that are left. Returns whether
    all were timed whole; one whose package is not there is skipped with a line.
    """
    with hold(options.store.root / TIMING):
        return _measure(options)


def _measure(options: PeerOptions) -> bool:
    ends, complete = now() + options.budget_s, True
    todo = [*_find_unfinished(options)]
    for index, name in enumerate(todo):
        began = now()
        share_s = max(ends - began, 0) / (len(todo) - index)
        outcome = _measure_peer(options, name, share_s, ends)
        complete &= not _is_unfinished(options, name)
        whose = f"{Path(name).stem} {installed_version(name)}"
        print(f"{whose}: {outcome}, {duration(now() - began)}", flush=True)
    return complete


def _find_unfinished(options: PeerOptions) -> Iterable[str]:
    """Yield the peers that have sizes to be timed, and say which are not installed."""
    for name in options.names or plugins.names("peers"):
        version = installed_version(name)
        if version is None:
            print(f"{name}: skipped, needs `pip install {plugins.package(name)}`")
        elif options.force or _is_unfinished(options, name):
            yield name


def _is_unfinished(options: PeerOptions, name: str) -> bool:
    record = options.store.find(Path(name).stem)
    if record is None or record.version != installed_version(name):
        return True
    return not options.store.is_finished(record)


def _measure_peer(options: PeerOptions, name: str, share_s: float, ends: float) -> str:
    """Time the sizes that a peer's record has not, each kept at once; return how it ended.

    The first is tried while there is time at all, others if their end is to be expected in time.
    """
    store, began = options.store, now()
    record = None if options.force else store.find(Path(name).stem)
    if record and record.version != installed_version(name):
        record = None
    with Pool() as pool:
        for n, batch in CLOUDS:
            if not _is_left(record, n, batch):
                continue
            spent_s, before = now() - began, _find_smaller(record, n)
            if now() > ends or (before and spent_s + expect_s(before, n, batch) > share_s):
                continue
            started, request = now(), MeasurePeer(name, options.device, n, batch)
            answer = pool.answer(request, lambda _: None, max(ends - started, 0) + PATIENCE_S)
            if not isinstance(answer, Done):
                return answer.reason
            record = _add(record, peer_record.parse(answer.result))
            store.write(record)
            if record.reason:
                return record.reason
    timed = f"timed at {len(record.cells) if record else 0} sizes"
    return f"{timed}, the same command goes on" if _is_unfinished(options, name) else timed


def _add(record: PeerRecord | None, new: PeerRecord) -> PeerRecord:
    """Return the record of a size together with the sizes before."""
    cells = [*(record.cells if record else []), *new.cells]
    whole = structs.replace(new, cells=sorted(cells, key=lambda case: (case.n, -case.batch)))
    left = any(_is_left(whole, *cloud) for cloud in CLOUDS)
    return structs.replace(whole, unfinished=left and new.reason is None)


def _is_left(record: PeerRecord | None, n: int, batch: int) -> bool:
    """Return whether a size is to be timed: it was not, and takes not too long."""
    if record and (n, batch) in {(case.n, case.batch) for case in record.cells}:
        return False
    before = _find_smaller(record, n)
    return before is None or predict_ms(before, n * batch) <= LONGEST_MS


def _find_smaller(record: PeerRecord | None, n: int) -> PeerCase | None:
    """Return what was timed of the next smaller clouds."""
    return next((case for case in reversed(record.cells if record else []) if case.n < n), None)


def expect_s(before: PeerCase, n: int, batch: int) -> float:
    """Return how long a size will take, from a smaller one."""
    round_s = sum(timing.median_ms for timing in before.timings.values()) / 1e3
    growth = count_edges(n, batch) / count_edges(before.n, before.batch)
    return WARM_UP_S + ROUNDS * round_s * growth


def count_edges(n: int, batch: int) -> int:
    """Return how many neighbours the objects of a batch of clouds have."""
    return batch * n * (NEIGHBOURS if n > MANY else n - 1)


def predict_ms(case: PeerCase, objects: int) -> float:
    """Return how long the slowest training step would take on so many objects, at best."""
    slowest = max(case.timings[f"{which} training"].median_ms for which in ("theirs", "ours"))
    return slowest * objects / (case.n * case.batch)
