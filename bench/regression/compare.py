"""`compare`: what two sets of stored timings and counters say of each other."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.core import cases
from bench.core.cases import SpeedCase
from bench.records import files, speed_record
from bench.records.run_record import Counters
from bench.records.speed_record import SpeedRecord
from bench.records.speed_store import SpeedStore
from bench.records.timings import Timing
from bench.regression.differences import Records, session_of
from bench.regression.report import Verdict
from bench.regression.verdicts import (
    GONE,
    IMPROVED,
    INCOMPARABLE,
    INCONCLUSIVE,
    MOVED,
    REGRESSED,
    SAME,
    Comparison,
    compare_samples,
    control_false_discoveries,
    find_growth,
)

# counters of inference and of a step; any growth of one is a regression
EXACT = ("parameters", "flops", "dispatched_ops", "peak_bytes", "graph_breaks")
Comparisons = dict[tuple[str, str], Comparison]  # by case and kind
SEVERAL = 4  # networks, most of which hardly change together unless their unit does
ALIKE = "most networks moved alike beside the unit, so it may be the unit; compare --base tells"


def read_records(source: Path) -> dict[str, SpeedRecord]:
    """Return the cases of a machine's folder, of its speed folder, or of a file, by their names.

    Raises `ValueError` if there are none, and for a file that is not JSON.
    """
    if source.is_file():
        records = _read_file(source)
    else:
        store = SpeedStore(source.parent if source.name == "speed" else source)
        records, problems = store.load()
        for problem in problems:
            print(f"left out: {problem}", file=sys.stderr)
    if not records:
        raise ValueError(f"no speed records in {source}; 'python -m bench speed' makes some")
    return {str(record.cell): record for record in records}


def _read_file(source: Path) -> list[SpeedRecord]:
    try:
        content = files.read_json(source)
    except ValueError as error:
        raise ValueError(f"{source} is no file of records: {error}") from None
    return list(parse_records(content, source).values())


def parse_records(content: Any, source: Path) -> dict[str, SpeedRecord]:  # noqa: ANN401 - any JSON
    """Return the cases that JSON of a file holds, by their names.

    Raises `ValueError` that names the file and the number of what is no record.
    """
    many = content["cells"] if isinstance(content, dict) and "cells" in content else [content]
    records: dict[str, SpeedRecord] = {}
    for index, plain in enumerate(many if isinstance(many, list) else [many]):
        try:
            record = speed_record.parse(plain)
        except ValueError as error:
            raise ValueError(f"{source} is no file of records: number {index}: {error}") from None
        if str(record.cell) in records:
            raise ValueError(f"{source} has two records of {record.cell}")
        records[str(record.cell)] = record
    return records


def judge_records(base: Records, new: Records, floor: float) -> list[Verdict]:
    """Return verdicts on what the base has: counters, times on one machine, and what is gone."""
    verdicts, comparisons = compare_records(base, new, floor)
    return verdicts + judge_beside_unit(comparisons) + _list_gone(base, new)


def _list_gone(base: Records, new: Records) -> list[Verdict]:
    """Return a verdict on each record and each timing of the base that is not in the new."""
    gone = [(name, "record") for name in base.keys() - new.keys()]
    for name in base.keys() & new.keys():
        kinds = base[name].timings.keys() - new[name].timings.keys() - new[name].reasons.keys()
        gone += [(name, kind) for kind in kinds if new[name].status == "done"]
    return [Verdict(*place, GONE, why="the base alone has it") for place in sorted(gone)]


def compare_records(base: Records, new: Records, floor: float) -> tuple[list[Verdict], Comparisons]:
    """Return verdicts on all but times, and on times that tell nothing; the others compared.

    What ran in the base and does not run now has regressed.
    """
    verdicts, comparisons = [], {}
    for name in sorted(base.keys() & new.keys()):
        before, after = base[name], new[name]
        if before.status == "done" and after.status != "done":
            why = "; ".join(sorted(set(after.reasons.values()))) or after.status
            verdicts.append(Verdict(name, "status", REGRESSED, why=why))
            continue
        verdicts.append(judge_counters(name, before, after))
        for kind in cases.CASE_KINDS:
            sides = [record.timings.get(kind) for record in (before, after)]
            if sides[0] and not sides[1] and after.reasons.get(kind):
                verdicts.append(Verdict(name, kind, REGRESSED, why=after.reasons[kind]))
            if not all(sides):
                continue
            why = _explain_apart(before, after) or _explain_unit(base, new, name)
            if why or not all(side.ratios for side in sides):
                why = why or "the unit was not timed beside it"
                verdicts.append(Verdict(name, kind, INCOMPARABLE, why=why))
                continue
            comparison = compare_samples(*[side.ratios for side in sides], floor)
            if why := _explain_disturbed(sides):
                comparison = comparison.doubt(why)
                verdicts.append(Verdict(name, kind, INCONCLUSIVE, comparison, why))
            else:
                comparisons[name, kind] = comparison
    return verdicts, comparisons


def _explain_disturbed(sides: Sequence[Timing]) -> str:
    """Return why timings decide nothing: one is of quality C; nothing if none is."""
    reasons = [
        f"{name} of quality C" + (f" ({side.reason})" if side.reason else "")
        for name, side in zip(("base", "new"), sides, strict=True)
        if side.quality == "C"
    ]
    return "; ".join(reasons)


def _explain_apart(base: SpeedRecord, new: SpeedRecord) -> str:
    """Return why the times of two records cannot be compared; nothing if they can."""
    names = [record.machine.name for record in (base, new)]
    if names[0] != names[1]:
        return f"times of {names[0]} and {names[1]}"
    cell = new.cell
    if cell == SpeedCase(cases.UNIT, cell.nodes, cell.batch):
        return "the unit of the others; compare --base times it"
    return ""


def _explain_unit(base: Records, new: Records, name: str) -> str:
    """Return why ratios to the unit say nothing: its own counters differ; nothing if not."""
    cell = new[name].cell
    unit = str(SpeedCase(cases.UNIT, cell.nodes, cell.batch))
    counters = [_select_exact(records[unit].counters) for records in (base, new) if unit in records]
    if len(counters) == 2 and counters[0] != counters[1]:
        return "the unit has changed; compare --base needs none"
    return ""


def judge(comparisons: Comparisons) -> list[Verdict]:
    """Return a verdict on each comparison, in the light of all of them."""
    controlled = control_false_discoveries(comparisons)
    return [Verdict(case, kind, c.verdict, c, c.why) for (case, kind), c in controlled.items()]


def judge_beside_unit(comparisons: Comparisons) -> list[Verdict]:
    """Return a verdict on each comparison of ratios to the unit, which may have moved itself.

    Where most of several networks of one session have moved to one side, none is told from it.
    """
    verdicts = judge(comparisons)
    sessions = [session_of(row.case, row.measure) for row in verdicts]
    sizes = Counter(sessions)
    moved = Counter((session, row.verdict) for session, row in zip(sessions, verdicts, strict=True))
    return [
        replace(row, verdict=INCOMPARABLE, why=ALIKE)
        if row.verdict in MOVED
        and sizes[session] >= SEVERAL
        and 2 * moved[session, row.verdict] > sizes[session]
        else row
        for session, row in zip(sessions, verdicts, strict=True)
    ]


def judge_counters(name: str, base: SpeedRecord, new: SpeedRecord) -> Verdict:
    """Return the verdict on exact counters: any growth is a regression, on whatever machine."""
    versions = [record.machine.torch.rsplit(".", 1)[0] for record in (base, new)]
    if versions[0] != versions[1]:
        return Verdict(name, "counters", INCOMPARABLE, why=f"torch {versions[0]} and {versions[1]}")
    devices = {bool(record.machine.gpu) for record in (base, new)}
    if len(devices) > 1:
        return Verdict(name, "counters", INCOMPARABLE, why="those of a CPU and of a GPU")
    before, after = (_select_exact(record.counters) for record in (base, new))
    if before and not after:
        return Verdict(name, "counters", REGRESSED, why="it no longer runs, or cannot be counted")
    if not before:
        return Verdict(name, "counters", INCOMPARABLE, why="counters are missing")
    up, down = find_growth(before, after), find_growth(after, before)
    lost = sorted(k for k, count in before.items() if count is not None and after.get(k) is None)
    if lost and not up:
        return Verdict(name, "counters", GONE, why=f"no longer counted: {', '.join(lost)}")
    verdict = REGRESSED if up else IMPROVED if down else SAME
    changed = up or {counter: pair[::-1] for counter, pair in down.items()}
    why = ", ".join(f"{counter} {a:,} to {b:,}" for counter, (a, b) in sorted(changed.items()))
    return Verdict(name, "counters", verdict, why=why)


def _select_exact(counters: Counters) -> Counters:
    return {k: v for k, v in counters.items() if k.removeprefix("step_") in EXACT}
