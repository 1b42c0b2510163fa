"""The times of a sweep: all of its cells in one session, each network in a fresh process."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from bench.core.cases import NOTHING, Timed
from bench.core.config import Run
from bench.records import run_store
from bench.records.run_record import RunRecord
from bench.records.run_store import finished
from bench.system.checkout import ROOT
from bench.timing.interleave import Player, play, players
from bench.training.selection import cells_of

ROUNDS = 40
KINDS = ("inference", "train_step")


def measure(runs: Iterable[Run], root: Path, device: str) -> None:
    """Times every finished cell of the tasks of the runs, unless these have one session already."""
    selected = [record for run in runs if (record := finished(run, root))]
    sessions = {_session_of(record) for record in selected}
    if not selected or (len(sessions) == 1 and None not in sessions):
        return
    networks: dict[str, list[list[Run]]] = {}
    cells = cells_of(_finished_of({run.task.name for run in runs}, root))
    for seeds in cells.values():
        networks.setdefault(str(seeds[0].model), []).append(seeds)
    print(f"timing {len(cells)} cells in turn, {len(networks)} networks in a process each")
    session = datetime.now(UTC).isoformat(timespec="seconds")
    timed = [_timed(seeds[0] for seeds in part) for part in networks.values()]
    with players([(one, ROOT) for one in timed], device) as found:
        play(found, [name for one in timed for name in one], ROUNDS)
        for part, player in zip(networks.values(), found, strict=True):
            for seeds in part:
                _keep(seeds, player, session, root)


def _timed(runs: Iterable[Run]) -> dict[str, Timed]:
    return {_name(run, kind): Timed(run, kind == "train_step") for run in runs for kind in KINDS}


def _name(run: Run, kind: str) -> str:
    return f"{kind} of {run_store.key(run)}"


def _keep(seeds: list[Run], player: Player, session: str, root: Path) -> None:
    """Writes what was timed and counted of one cell into the record of each of its seeds."""
    found, first = player.timings(), seeds[0]
    names = {kind: _name(first, kind) for kind in KINDS}
    timed = {kind: found[name] for kind, name in names.items() if name in found}
    timings = {kind: replace(timing, session=session) for kind, timing in timed.items()}
    for kind in KINDS:
        why = player.facts["reasons"].get(names[kind], "")
        if kind not in timings and not why.endswith(NOTHING):
            print(f"no {kind} timing for {run_store.name(first)}: {why}")
    counters = player.told("count", run=asdict(first)) or {}
    told = {"timings": timings, "counters": counters} if timings else {"untimed": session}
    for run in seeds:
        run_store.write(root, replace(finished(run, root), **told))


def _session_of(record: RunRecord) -> str | None:
    """The last session in which the record's cell was timed, or could not be."""
    timed = [timing.session for timing in record.timings.values()]
    return max([*timed, record.untimed or ""]) or None


def _finished_of(tasks: set[str], root: Path) -> list[Run]:
    """All runs of the tasks that have a finished record of today's configuration."""
    runs = [record.run for record in run_store.load(root)[0]]
    return [run for run in runs if run.task.name in tasks and _current(run) and finished(run, root)]


def _current(run: Run) -> bool:
    """Whether the run's plug-ins are all still there."""
    try:
        return bool(run_store.key(run))
    except ValueError:
        return False
