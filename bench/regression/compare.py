"""`compare`: what two sets of stored timings and counters say of each other."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from bench.core import cases
from bench.core.cases import Cell
from bench.records import speed_record
from bench.records.run_record import Counters
from bench.records.speed_record import SpeedRecord
from bench.records.speed_store import SpeedStore
from bench.regression import verdicts as regression_verdicts
from bench.regression.report import Finding
from bench.regression.verdicts import IMPROVED, INCOMPARABLE, REGRESSED, Change

# counters of inference and of a step, any growth of which is a regression
GATED = ("parameters", "flops", "dispatched_ops", "peak_bytes", "graph_breaks")
FACTS = ("name", "processor", "gpu", "driver", "threads", "keeps_pages", "python", "torch",
         "e3nn", "e3nn_jit_mode", "tf32")  # fmt: skip
Changes = dict[tuple[str, str], Change]  # by cell and kind
SEVERAL = 4  # networks, most of which hardly change together unless their unit does
ALIKE = "most networks moved alike beside the unit, so it may be the unit; compare --base tells"
NEAR = 0.1  # ceilings that are farther apart are of machines or clocks that differ


def stored(source: Path) -> dict[str, SpeedRecord]:
    """The cells of a machine's folder, of its speed folder, or of a file, by their names.

    Raises `ValueError` if there are none, and for a file that is not JSON.
    """
    if source.is_file():
        try:
            content = msgspec.json.decode(source.read_bytes())
            many = content["cells"] if isinstance(content, dict) and "cells" in content else None
            found = [speed_record.parse(one) for one in ([content] if many is None else list(many))]
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise ValueError(f"{source} is no file of records: {error}") from None
    else:
        found, problems = SpeedStore(source.parent if source.name == "speed" else source).load()
        for problem in problems:
            print(f"left out: {problem}", file=sys.stderr)
    if not found:
        raise ValueError(f"no speed records in {source}; 'python -m bench speed' makes some")
    return {str(record.cell): record for record in found}


def differences(base: Mapping[str, SpeedRecord], new: Mapping[str, SpeedRecord]) -> list[str]:
    """What differs between two sets besides the code: machine, versions, clocks, configuration."""
    lines = [
        f"{fact}: {', '.join(map(str, before))} / {', '.join(map(str, after))}"
        for fact in FACTS
        if (before := _facts(base, fact)) != (after := _facts(new, fact))
    ]
    for name in ("flops_per_s", "bytes_per_s"):
        ours, theirs = (
            max((r.ceilings.get(name, 0) for r in s.values()), default=0) for s in (new, base)
        )
        if ours and theirs and abs(ours / theirs - 1) > NEAR:
            lines.append(f"ceiling of {name}: {theirs:.3g} / {ours:.3g}")
    lines += [f"only in one: {name}" for name in sorted(base.keys() ^ new.keys())]
    common = base.keys() & new.keys()
    changed = [name for name in sorted(common) if base[name].key != new[name].key]
    return lines + [f"VERSION of a plug-in: {name}" for name in changed]


def _facts(records: Mapping[str, SpeedRecord], fact: str) -> list[str]:
    return sorted({str(getattr(record.machine, fact)) for record in records.values()})


def of_records(
    base: Mapping[str, SpeedRecord], new: Mapping[str, SpeedRecord], floor: float
) -> list[Finding]:
    """Findings on the cells that both sets have: exact counters, and times on one machine."""
    found, changes = look(base, new, floor)
    return found + beside_the_unit(changes)


def look(
    base: Mapping[str, SpeedRecord], new: Mapping[str, SpeedRecord], floor: float
) -> tuple[list[Finding], Changes]:
    """What one set of records says of another: findings without times, and changes of times.

    What ran in the base and does not run now has regressed.
    """
    found, changes = [], {}
    for name in sorted(base.keys() & new.keys()):
        before, after = base[name], new[name]
        if before.status == "done" and after.status != "done":
            why = "; ".join(sorted(set(after.reasons.values()))) or after.status
            found.append(Finding(name, "status", REGRESSED, why=why))
            continue
        found.append(of_counters(name, before, after))
        for kind in cases.KINDS:
            sides = [record.timings.get(kind) for record in (before, after)]
            if sides[0] and not sides[1] and after.reasons.get(kind):
                found.append(Finding(name, kind, REGRESSED, why=after.reasons[kind]))
            if not all(sides):
                continue
            why = _apart(before, after) or _unit_differs(base, new, name)
            if why or not all(side.ratios for side in sides):
                why = why or "the unit was not timed beside it"
                found.append(Finding(name, kind, INCOMPARABLE, why=why))
            else:
                ratios = [side.ratios for side in sides]
                changes[name, kind] = regression_verdicts.change(*ratios, floor)
    return found, changes


def _apart(base: SpeedRecord, new: SpeedRecord) -> str:
    """Why the times of two records cannot be compared; empty if they can."""
    names = [record.machine.name for record in (base, new)]
    if names[0] != names[1]:
        return f"times of {names[0]} and {names[1]}"
    cell = new.cell
    if cell == Cell(cases.UNIT, cell.nodes, cell.batch):
        return "the unit of the others; compare --base times it"
    return ""


def _unit_differs(
    base: Mapping[str, SpeedRecord], new: Mapping[str, SpeedRecord], name: str
) -> str:
    """Why ratios to the unit say nothing: its own work has changed, as far as both sets know it."""
    cell = new[name].cell
    unit = str(Cell(cases.UNIT, cell.nodes, cell.batch))
    counters = [_gated(found[unit].counters) for found in (base, new) if unit in found]
    if len(counters) == 2 and counters[0] != counters[1]:
        return "the unit has changed; compare --base needs none"
    return ""


def judged(changes: Mapping[tuple[str, str], Change]) -> list[Finding]:
    """A finding for each change, in the light of all of them."""
    verdicts = regression_verdicts.among(changes)
    return [Finding(cell, kind, verdicts[cell, kind], one) for (cell, kind), one in changes.items()]


def beside_the_unit(changes: Changes) -> list[Finding]:
    """A finding for each change of a ratio to the unit, which may be what has changed itself.

    Where most of several networks of one session have moved to one side, none is told from it.
    """
    found = judged(changes)
    sessions = Counter((_session(one), one.verdict) for one in found)
    sizes = Counter(map(_session, found))
    return [
        replace(one, verdict=INCOMPARABLE, why=ALIKE)
        if one.verdict in (IMPROVED, REGRESSED)
        and sizes[_session(one)] >= SEVERAL
        and 2 * sessions[_session(one), one.verdict] > sizes[_session(one)]
        else one
        for one in found
    ]


def _session(one: Finding) -> tuple[str, ...]:
    return *one.cell.rsplit(", ", 3)[1:], one.measure


def of_counters(name: str, base: SpeedRecord, new: SpeedRecord) -> Finding:
    """The finding on exact counters: any growth is a regression, on whatever machine."""
    versions = [record.machine.torch.rsplit(".", 1)[0] for record in (base, new)]
    if versions[0] != versions[1]:
        return Finding(name, "counters", INCOMPARABLE, why=f"torch {versions[0]} and {versions[1]}")
    devices = {bool(record.machine.gpu) for record in (base, new)}
    if len(devices) > 1:
        return Finding(name, "counters", INCOMPARABLE, why="those of a CPU and of a GPU")
    before, after = (_gated(record.counters) for record in (base, new))
    if before and not after:
        return Finding(name, "counters", REGRESSED, why="it no longer runs, or cannot be counted")
    if not (before.keys() & after.keys()):
        return Finding(name, "counters", INCOMPARABLE, why="counters are missing")
    up, down = regression_verdicts.grown(before, after), regression_verdicts.grown(after, before)
    verdict = (
        regression_verdicts.REGRESSED
        if up
        else regression_verdicts.IMPROVED
        if down
        else regression_verdicts.SAME
    )
    changed = up or {counter: pair[::-1] for counter, pair in down.items()}
    why = ", ".join(f"{counter} {a:,} to {b:,}" for counter, (a, b) in sorted(changed.items()))
    return Finding(name, "counters", verdict, why=why)


def _gated(counters: Counters) -> Counters:
    return {k: v for k, v in counters.items() if k.removeprefix("step_") in GATED}
