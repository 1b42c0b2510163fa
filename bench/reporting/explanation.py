"""Why two results differ: what is not the same, and how much of the gap each of it can account for.

What other records show of a difference is measured; chance has the spread over seeds; software and
machine move an error by round-off, which training amplifies to no more than another seed does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import exp, inf, log, sqrt
from statistics import fmean, variance
from typing import Any

from bench.core.config import Run, canonical, without_folders, without_seed
from bench.records.machine_facts import MachineFacts
from bench.records.run_record import RunRecord
from bench.reporting.aggregate import TIMED
from bench.reporting.formats import plain

SIGMAS = 2.0  # of chance, within which a gap is nothing odd
STACK = ("python", "torch", "e3nn", "e3nn_jit_mode", "dtype", "tf32", "driver", "compiled")
MACHINE = ("processor", "gpu", "threads", "keeps_pages", "name")
CODE = ("commit", "dirty")
MEASURES = {
    "mse_test": lambda record: record.scores.get("mse_test"),
    **{
        f"{kind} ms": lambda record, kind=kind: getattr(record.timings.get(kind), "median_ms", None)
        for kind in TIMED
    },
}


@dataclass(frozen=True)
class Difference:
    """What differs, and the factor by which it moves a measure: a measured one, or the largest."""

    what: str
    factor: float
    why: str
    measured: bool = False

    def share(self, gap: float) -> float:
        """Return how much of a gap, a factor, it can account for: 1 is all, below 0 is against."""
        logs = log(self.factor), log(gap)
        share = logs[0] / logs[1] if self.measured else abs(logs[0]) / abs(logs[1])
        return min(1.0, share)

    def describe(self, gap: float) -> str:
        """Return a line: its share of a gap, what it is and how that is known."""
        share = self.share(gap)
        size = "maybe all" if self.factor == inf else f"up to {max(0.0, share):.0%}"
        against = ", against the gap" if share < 0 else ""
        return f"  {size:<11} {self.what}: {self.why}{against}"


@dataclass(frozen=True)
class Side:
    """A row, or one record of it, as one side of a comparison."""

    records: Sequence[RunRecord]

    @property
    def first(self) -> RunRecord:
        """A record that stands for all, as they share all but seed and machine."""
        return self.records[0]

    def mean(self, measure: str) -> float | None:
        """Return the geometric mean of a measure over the records, None if none has it."""
        values = [x for record in self.records if (x := MEASURES[measure](record))]
        return exp(fmean(map(log, values))) if values else None


class Pool:
    """Finished records, by their configuration and by the key of their row."""

    def __init__(self, records: Iterable[RunRecord]) -> None:
        self.by_configuration: dict[str, list[RunRecord]] = {}
        self.by_key: dict[str, list[RunRecord]] = {}
        for record in records:
            if record.status == "done":
                configuration = canonical(_bare(record.run))
                self.by_configuration.setdefault(configuration, []).append(record)
                self.by_key.setdefault(record.key, []).append(record)


def explain(a: Side, b: Side, records: Iterable[RunRecord]) -> list[str]:
    """Return the gap of each measure, and below it what can account for it, the most first."""
    pool, lines = Pool(records), []
    for measure in MEASURES:
        values = a.mean(measure), b.mean(measure)
        if None in values:
            continue
        gap = values[1] / values[0]
        numbers = " and ".join(plain(value, 4) for value in values)
        if gap == 1:
            lines.append(f"{measure}: {numbers}, the same")
            continue
        lines.append(f"{measure}: {numbers}, {plain(gap, 3)} times")
        differences = list_differences(a, b, measure, pool)
        ranked = sorted(differences, key=lambda difference: -difference.share(gap))
        lines += [difference.describe(gap) for difference in ranked]
        lines += [] if ranked else ["  nothing that a record notes differs"]
    return lines


def list_differences(a: Side, b: Side, measure: str, pool: Pool) -> list[Difference]:
    """Return what differs between two sides, with what it can do to a measure."""
    parts = (_list_configuration, _list_seeds, _list_stack, _list_clock)
    return [difference for part in parts for difference in part(a, b, measure, pool)]


def _list_configuration(a: Side, b: Side, measure: str, pool: Pool) -> Iterator[Difference]:
    """Yield each setting that differs, measured where a third row differs in it alone."""
    sides = [_flatten(side.first.run) for side in (a, b)]
    for name in sorted(sides[0].keys() | sides[1].keys()):
        before, after = (side.get(name, "its default") for side in sides)
        part = name.partition(".")[0]
        if before == after or (part != name and sides[0][part] != sides[1][part]):
            continue  # options of two plug-ins are part of what they are
        if (factor := _measure(a, b, measure, pool, name)) is None:
            yield Difference(f"{name} {before} / {after}", inf, "no record differs in it alone")
        else:
            why = f"measured, {plain(factor, 3)} times"
            yield Difference(f"{name} {before} / {after}", factor, why, measured=True)
    if a.first.key != b.first.key and sides[0] == sides[1]:
        yield Difference("VERSION of a plug-in", inf, "its code has changed, and so may anything")


def _measure(a: Side, b: Side, measure: str, pool: Pool, name: str) -> float | None:
    """Return what a setting does from a to b, by the rows that have one side's in the other."""
    for start, other, sign in ((a, b, 1), (b, a, -1)):
        wanted = canonical(_exchange(start.first.run, other.first.run, name))
        third = [
            record
            for record in pool.by_configuration.get(wanted, [])
            if measure == "mse_test" or _place(record) == _place(start.first)
        ]
        value, base = Side(third).mean(measure) if third else None, start.mean(measure)
        if value and base:
            return (value / base) ** sign
    return None


def _list_seeds(a: Side, b: Side, measure: str, pool: Pool) -> Iterator[Difference]:
    """Yield what chance does where seeds differ, from the spread of both rows."""
    seeds = [sorted({record.run.seed for record in side.records}) for side in (a, b)]
    if measure != "mse_test" or seeds[0] == seeds[1]:
        return
    what = f"seeds {', '.join(map(str, seeds[0]))} / {', '.join(map(str, seeds[1]))}"
    spread = _spread((a, b), pool)
    if spread is None:
        yield Difference(what, inf, "one seed of each, so the spread is unknown")
        return
    factor = exp(SIGMAS * spread * sqrt(sum(1 / len(side.records) for side in (a, b))))
    yield Difference(what, factor, f"chance, {spread:.0%} from seed to seed")


def _list_stack(a: Side, b: Side, measure: str, pool: Pool) -> Iterator[Difference]:
    """Yield what differs in code, software and machine."""
    timed = measure != "mse_test"
    spread = _spread((a, b), pool)
    chance = exp(SIGMAS * sqrt(2) * spread) if spread is not None else inf
    amplified = (chance, "round-off, which training amplifies to what another seed does at most")
    for group, factor, why in (
        (CODE, inf, "code outside the plug-ins has no VERSION; 'git diff' shows it"),
        (STACK, *((inf, "its kernels are others") if timed else amplified)),
        (MACHINE, *((inf, "times never cross machines") if timed else amplified)),
    ):
        facts = {name: (_fact(a, name, measure), _fact(b, name, measure)) for name in group}
        other = {name: values for name, values in facts.items() if values[0] != values[1]}
        if other:
            what = ", ".join(f"{name} {' / '.join(values)}" for name, values in other.items())
            yield Difference(what, factor, why)


def _list_clock(a: Side, b: Side, measure: str, _: Pool) -> Iterator[Difference]:
    """Yield what the clocks leave open: how wide the intervals are, and another session."""
    kind = measure.removesuffix(" ms")
    timings = [side.first.timings.get(kind) for side in (a, b)]
    if measure == "mse_test" or None in timings:
        return
    widths = [t.interval_ms[1] / t.interval_ms[0] for t in timings if t.interval_ms]
    qualities = "/".join(timing.quality for timing in timings)
    if "C" in qualities:
        yield Difference(f"clock {qualities}", inf, "a disturbed timing decides nothing")
    elif widths:
        yield Difference(f"clock {qualities}", max(widths), "the width of an interval")
    if len({timing.session for timing in timings}) > 1:
        yield Difference("session", inf, "a machine is faster on one day than on another")


def _spread(sides: Sequence[Side], pool: Pool) -> float | None:
    """Return the deviation of a log-error from seed to seed within the rows of both sides."""
    rows = []
    for key in {side.first.key for side in sides}:
        by_seed = {record.run.seed: record for record in pool.by_key.get(key, [])}
        rows.append([log(x) for r in by_seed.values() if (x := MEASURES["mse_test"](r))])
    freedom = sum(len(row) - 1 for row in rows if len(row) > 1)
    squares = sum((len(row) - 1) * variance(row) for row in rows if len(row) > 1)
    return sqrt(squares / freedom) if freedom else None


def _place(record: RunRecord) -> list[Any]:
    return [getattr(record.machine, name) for name in MACHINE]


def _fact(side: Side, name: str, measure: str) -> str:
    """Return a fact of a record; the commit of a time is the one that was timed, where it is kept.

    Training may be of an earlier one.
    """
    facts: MachineFacts = side.first.machine
    if name != "commit":
        return str(getattr(facts, name))
    timing = side.first.timings.get(measure.removesuffix(" ms"))
    return str((timing and timing.commit) or facts.commit)[:10]


def _bare(run: Run) -> Run:
    return without_folders(without_seed(run))


def _flatten(run: Run) -> dict[str, Any]:
    """Return the settings of a run but its seed, options of plug-ins as `method.beta`."""
    flat = {}
    for name, value in asdict(_bare(run)).items():
        if isinstance(value, dict):
            flat[name] = value["name"]
            flat |= {f"{name}.{key}": option for key, option in value["kwargs"].items()}
        else:
            flat[name] = value
    return flat


def _exchange(run: Run, other: Run, name: str) -> Run:
    """Return the run with one setting of another's; a plug-in comes with its options."""
    part, _, option = name.partition(".")
    run, other = _bare(run), _bare(other)
    if not option:
        return replace(run, **{part: getattr(other, part)})
    plugin, theirs = getattr(run, part), getattr(other, part).kwargs
    kwargs = {key: value for key, value in plugin.kwargs.items() if key != option}
    kwargs |= {option: theirs[option]} if option in theirs else {}
    return replace(run, **{part: replace(plugin, kwargs=kwargs)})
