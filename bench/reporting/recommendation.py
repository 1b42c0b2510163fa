"""The row to use of a task within limits, from records alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, nan

from bench.reporting import formats
from bench.reporting.comparisons import FEW_SEEDS, find_front, find_ties
from bench.reporting.findings.evidence import Evidence, Row, say_seeds

SCORE = "mse_test"
NUMBERS = (SCORE, "inference_ms", "expected_error_test")  # of the front, smaller is better


@dataclass(frozen=True)
class Limits:
    """The most that a choice may take: milliseconds and megabytes of an inference, squared error.

    A row that lacks a number is within a limit only where there is none.
    """

    ms: float = inf
    error: float = inf
    memory: float = inf

    def find_excess(self, row: Row, megabytes: float) -> list[str]:
        """Return what of a row is beyond the limits, or not known."""
        disturbed = row["inference_quality"] == "C"
        values = {
            "ms": (nan if disturbed else _number(row["inference_ms"]), self.ms),
            "MSE": (_number(row[SCORE]), self.error),
            "MB": (megabytes, self.memory),
        }
        return [
            f"{name} not known" if value != value else f"{formats.plain(value, 3)} {name}"
            for name, (value, limit) in values.items()
            if limit != inf and not value <= limit
        ]


def recommend(
    evidence: Evidence, peaks: Mapping[str, float], limits: Limits
) -> tuple[list[str], bool]:
    """Return lines that say what to use, with the evidence, and whether anything is within limits.

    Of what is within the limits the choice is the fastest of those that are not told from the most
    accurate; `peaks` are the megabytes of an inference by the key of the row.
    """
    scored = [row for row in evidence.rows if row[SCORE] == row[SCORE] and not row["trivial"]]
    excess = {row["key"]: limits.find_excess(row, peaks.get(row["key"], nan)) for row in scored}
    fit = [row for row in scored if not excess[row["key"]]]
    if not fit:
        return [*_say_nearest(evidence, scored, excess)], False
    ties = find_ties({row["key"]: evidence.errors(row, SCORE) for row in fit})
    equal = [row for row in fit if row["key"] in ties]
    choice = min(equal, key=lambda row: (_time(row), row[SCORE]))
    lines = [
        f"use {evidence.name(choice)}: {_say_row(evidence, choice, peaks)}",
        f"of {len(fit)} rows within the limits, {len(scored)} in all: "
        f"{_say_choice(choice, len(equal))}",
    ]
    best = min(equal, key=lambda row: row[SCORE])
    few = [row for row in equal if row in (choice, best) and row["seeds"] < FEW_SEEDS]
    if few:
        lines.append(f"to be sure, {evidence.settle(few, FEW_SEEDS)}")
    front = find_front([[_known(row, name) for name in NUMBERS] for row in fit], NUMBERS)
    others = [row for row, best in zip(fit, front, strict=True) if best and row is not choice]
    lines += ["", "also on the front of error, time and E':"] if others else []
    lines += [
        f"  {evidence.name(row)}: {_say_row(evidence, row, peaks)}"
        for row in sorted(others, key=lambda row: row[SCORE])
    ]
    return lines, True


def _say_choice(choice: Row, equal: int) -> str:
    if equal == 1:
        return "it is the most accurate, and told from all others"
    untold = f"{equal} are not told from the most accurate one"
    if _time(choice) == inf:
        return f"{untold}, which it is; no undisturbed time of theirs is known"
    return f"{untold}, and it is the fastest of them"


def _say_row(evidence: Evidence, row: Row, peaks: Mapping[str, float]) -> str:
    seeds = len(evidence.errors(row, SCORE))
    peak, ms = peaks.get(row["key"]), formats.number(row, "inference_ms")
    return ", ".join(
        [
            f"MSE x 1e3 {formats.thousandths(row, SCORE)}",
            *([f"{ms} ms"] if ms != formats.ABSENT else []),
            f"E' {formats.spread(row, 'expected_error_test')}",
            *([f"{formats.plain(peak, 3)} MB"] if peak is not None else []),
            say_seeds(seeds),
        ]
    )


def _say_nearest(
    evidence: Evidence, scored: Sequence[Row], excess: Mapping[str, list[str]]
) -> Iterator[str]:
    """Yield what comes nearest, if anything has finished."""
    if not scored:
        finished = ", ".join(sorted({row["model"] for row in evidence.rows}))
        only = f"nothing but {finished}, trivial or without an error," if finished else "nothing"
        yield f"{only} of it has finished; 'python -m bench table' names what failed"
        return
    yield "nothing here is within the limits"
    nearest = sorted(scored, key=lambda row: (len(excess[row["key"]]), row[SCORE]))[:3]
    for row in nearest:
        yield f"  {evidence.name(row)}: {', '.join(excess[row['key']])}"
    if any("not known" in words for row in nearest for words in excess[row["key"]]):
        yield f"to know, {evidence.settle(nearest, FEW_SEEDS)}"


def _known(row: Row, name: str) -> float | None:
    value = _time(row) if name == "inference_ms" else _number(row[name])
    return value if value == value and value != inf else None


def _time(row: Row) -> float:
    """Return the milliseconds that count; a disturbed timing is the last choice."""
    value = _number(row["inference_ms"])
    return inf if row["inference_quality"] == "C" or value != value else value


def _number(value: float | None) -> float:
    return nan if value is None else value
