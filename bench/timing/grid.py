"""`speed`: inference and training steps of every model over sizes, modes and precisions."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import product
from statistics import median

from msgspec import structs

from bench.core.cases import CASE_KINDS, UNIT, SpeedCase
from bench.core.config import Plugin
from bench.records import files
from bench.records.machine_facts import MachineFacts
from bench.records.speed_record import SpeedRecord, blank_record
from bench.records.speed_store import SpeedStore
from bench.system.checkout import ROOT
from bench.system.clock import now
from bench.system.progress import Tell, duration, ignore
from bench.system.protocol import Count, CountBreaks, MeasureCeilings, MeasureEnergy
from bench.timing.interleave import Player, play, players, round_s

ROUNDS, LEAST, SESSION_S = 40, 15, 30.0  # fewer pairs decide nothing among hundreds of cells
NODES = (5, 10, 20, 40)
BATCH = {"cpu": (1, 8, 32), "cuda": (1, 32, 256)}
MODES = {"cpu": ("eager",), "cuda": ("eager", "compile", "cuda_graph")}


@dataclass(frozen=True)
class Request:
    """What the user asked for: cells, and where, on what and how long to time them.

    `scale` is what chose the models' sizes, as in `core.sizes.options_for_size`.
    """

    cells: list[SpeedCase]
    store: SpeedStore
    device: str
    budget_s: float
    force: bool
    scale: str = "default"


def grid(
    models: Iterable[Plugin], sizes: Iterable[tuple[int, int]], rungs: Iterable[tuple[str, str]]
) -> list[SpeedCase]:
    """Every model at every (nodes, batch) on every rung, a (mode, dtype)."""
    combinations = product(sizes, rungs, models)
    return [SpeedCase(model, *size, *rung) for size, rung, model in combinations]


def measure(request: Request) -> bool:
    """Times the cells that have no record, a session for each size and rung.

    Whether none of them failed; without time left the rest is for the same command again.
    """
    files.check_writable(request.store.root)
    todo = request.cells if request.force else request.store.missing(request.cells)
    print(f"{len(request.cells)} cells, {len(request.cells) - len(todo)} timed before")
    started = now()
    for part in sessions(todo):
        if now() - started >= request.budget_s:
            again = "the same command without --force" if request.force else "the same command"
            print(f"out of time after {duration(now() - started)}; {again} continues")
            break
        began = now()
        rounds = 0
        for made in time_session(part, request.device, request.store.root.name):
            rounds = max([rounds, *[timing.rounds for timing in made.timings.values()]])
            request.store.write(structs.replace(made, scale=request.scale))
        size = f"{part[0].nodes} x {part[0].batch}, {part[0].mode}, {part[0].dtype}"
        print(f"{size}: {len(part)} models, {rounds} rounds, {duration(now() - began)}")
    return not [cell for cell in request.cells if request.store.has_failed(cell)]


def sessions(todo: Iterable[SpeedCase]) -> list[list[SpeedCase]]:
    """The cells that are timed in turn: those that differ in the model alone."""
    found: dict[str, list[SpeedCase]] = {}
    for cell in todo:
        found.setdefault(str(replace(cell, model=UNIT)), []).append(cell)
    return list(found.values())


def time_session(
    part: list[SpeedCase], device: str, name: str, tell: Tell = ignore
) -> Iterator[SpeedRecord]:
    """Yield records of cells that are timed in turn with the unit, on the machine of that name."""
    unit = SpeedCase(UNIT, part[0].nodes, part[0].batch)
    everyone = [unit, *[cell for cell in part if cell != unit]]
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    parts = [(cell.targets(CASE_KINDS), ROOT) for cell in everyone]

    def begin(index: int) -> None:
        tell(str(everyone[index]), index / (len(everyone) + 1))

    with players(parts, device, begin) as found:
        rounds = round(min(ROUNDS, max(LEAST, SESSION_S / max(round_s(found), 1e-9))))
        tell(f"{rounds} rounds of {len(found)} networks", len(found) / (len(found) + 1))
        play(found, CASE_KINDS, rounds)
        ceilings = found[0].told(MeasureCeilings(device)) or {}
        for cell, player in zip(everyone, found, strict=True):
            if cell in part:
                made = record(cell, player, found[0], name)
                yield structs.replace(made, session=stamp, ceilings=ceilings)


def record(cell: SpeedCase, player: Player, unit: Player, name: str) -> SpeedRecord:
    """The record of a cell, on the machine of that name.

    With timings, their ratios to the unit round by round, and counters.
    """
    timings = player.timings()
    for kind, timing in timings.items():
        ratios = list(_ratios(player.samples_ms[kind], unit.samples_ms.get(kind, [])))
        beside = {"ratios": ratios, "x_unit": median(ratios)} if ratios else {}
        energy_mj = player.told(MeasureEnergy(kind))
        timings[kind] = structs.replace(timing, **beside, energy_mj=energy_mj)
    counts = player.told(Count(asdict(cell.run("train_step")), player.device)) or {}
    if timings and cell.mode == "compile":
        ask = CountBreaks(asdict(cell.run("inference")), player.device)
        counts["graph_breaks"] = player.told(ask)
    return structs.replace(
        blank_record(cell),
        status=player.facts.status,
        reasons=player.facts.reasons,
        timings=timings,
        counters=counts,
        machine=MachineFacts(**player.facts.machine, name=name),
    )


def _ratios(samples_ms: list[float], unit_ms: list[float]) -> Iterator[float]:
    for ours, theirs in zip(samples_ms, unit_ms, strict=False):
        yield round(ours / theirs, 6)
