"""What a finding is, and the rows of a task that findings are made of."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any

import pandas as pd

from bench.core.config import Run
from bench.records.run_record import RunRecord
from bench.reporting import aggregate, formats
from bench.reporting.command_lines import write_commands
from bench.reporting.comparisons import (
    CONFIDENCE,
    FEW_SEEDS,
    MARGIN,
    ErrorRatio,
    Errors,
    compare_errors,
)

PERCENT, LEVEL = f"{100 * MARGIN:.0f} %", f"{100 * CONFIDENCE:.0f} %"
YES, NO, UNDECIDED = "yes", "no", "undecided"
Row = Mapping[str, Any]  # of `aggregate.summary`
TELLING = ("1", "1.1", "0.909")  # limits of verdicts, as three digits write them


@dataclass(frozen=True)
class Number:
    """A value with its interval, over so many seeds; the quality of the clock, if it is a time."""

    name: str
    value: float
    low: float
    high: float
    seeds: int
    quality: str = ""


@dataclass(frozen=True)
class Finding:
    """A question about a task, the answer in a sentence, and what it rests on.

    `rows` are the keys of the records that say so, `seeds` the fewest behind a row, and `settles`
    what to run to be sure, "" where nothing is open.
    """

    task: str
    question: str
    sentence: str
    verdict: str
    rows: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    seeds: int = 0
    settles: str = ""


@dataclass(frozen=True)
class Evidence:
    """The rows of one task, those that have finished and all, with what each seed came to."""

    task: str
    data: pd.DataFrame
    table: pd.DataFrame
    records: Sequence[RunRecord]
    on_gpu: Container[str] = ()  # keys of records
    scores: dict[str, dict[str, Errors]] = field(default_factory=dict)

    @cached_property
    def configurations(self) -> Mapping[str, Run]:
        """A run of each row, by its key."""
        return {record.key: record.run for record in self.records}

    @cached_property
    def rows(self) -> list[Row]:
        """The rows that have finished, none of an old version."""
        table = aggregate.keep_current(self.table)
        return table[table["seeds"] > 0].to_dict("records")

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The runs that have finished."""
        return self.data[self.data["status"] == "done"]

    @cached_property
    def exact(self) -> list[Row]:
        """The networks that are equivariant by construction, as far as their error bears it out."""
        return [row for row in self._real() if row["equivariant"] and aggregate.is_exact(row)]

    @cached_property
    def free(self) -> list[Row]:
        """The rows of unconstrained networks, however they were trained."""
        return [row for row in self._real() if not row["equivariant"]]

    @cached_property
    def usual(self) -> "Evidence":
        """The same without what was optimised by anything but Adam, tuned, or treated afterwards.

        Those rows are compared with each other elsewhere: side by side with rows that had no such
        help, they would say what the help is worth.
        """
        return replace(self, table=aggregate.keep_usual(self.table))

    @cached_property
    def comparable(self) -> list[Row]:
        """The rows of unconstrained networks that had no more training than exact ones had.

        Twice as many steps are no more, as augmentation takes them at REMUL's compute.
        """
        longest = max((row["steps"] for row in self.exact), default=inf)
        return [row for row in self.free if row["steps"] <= 2 * longest]

    @cached_property
    def splits(self) -> list[str]:
        """The splits that findings are about: the test split and poses unlike those of training."""
        return [split for split in ("test", "ood") if f"mse_{split}" in self.runs]

    def best(self, rows: Sequence[Row], split: str = "test") -> Row | None:
        """Return the row that errs least on a split, None without any."""
        scored = [row for row in rows if row[f"mse_{split}"] == row[f"mse_{split}"]]
        return min(scored, key=lambda row: row[f"mse_{split}"], default=None)

    def by_key(self, key: str) -> Row:
        """Return the row with this key."""
        return next(row for row in self.rows if row["key"] == key)

    def errors(self, row: Row, score: str) -> Errors:
        """Return what each seed of a row came to."""
        return self._by_key(score).get(row["key"], {})

    def compare(
        self, row: Row, other: Row, score: str, picked: Sequence[int] = (1, 1)
    ) -> ErrorRatio | None:
        """Return how the errors of two rows compare; None if they share no seed."""
        sides = self.errors(row, score), self.errors(other, score)
        return compare_errors(*sides, picked) if sides[0].keys() & sides[1].keys() else None

    @cached_property
    def usual_steps(self) -> int:
        """The number of steps that most rows have, of several such the largest."""
        rows = Counter(row["steps"] for row in self.rows)
        return max(rows, key=lambda steps: (rows[steps], steps))

    def name(self, row: Row) -> str:
        """Return what a sentence calls a row: the network, how it was trained, and what is odd."""
        method, _, after = row["method"].partition(aggregate.AND)
        bare = method == "plain" and row["equivariant"]
        words = row["model"] if bare else f"{row['model']} with {method}"
        notes = [*self.unusual_steps(row), *([after] if after else [])]
        return f"{words} ({', '.join(notes)})" if notes else words

    def unusual_steps(self, row: Row) -> list[str]:
        """Return what a sentence says of a row's steps: nothing if they are the usual ones."""
        return [f"{row['steps']:,} steps"] * (row["steps"] != self.usual_steps)

    def settle(self, rows: Sequence[Row], seeds: int | None) -> str:
        """Return the commands that bring rows to so many seeds, or that no number would do."""
        if seeds is None:
            return "more seeds than anybody can afford: the two are too near the limit"
        runs = [self.configurations[row["key"]] for row in rows]
        return f"{seeds} seeds: {self._command(runs, seeds)}"

    def settle_steps(self, row: Row, steps: int, seeds: int) -> str:
        """Return the command that runs a row with another number of steps."""
        run = replace(self.configurations[row["key"]], steps=steps)
        return self._command([run], seeds)

    def _command(self, runs: Sequence[Run], seeds: int) -> str:
        device = " --device cuda" if self.on_gpu else ""
        return "; ".join(command + device for command in write_commands(runs, seeds))

    def _real(self) -> Iterator[Row]:
        return (row for row in self.rows if not row["trivial"])

    def _by_key(self, score: str) -> dict[str, Errors]:
        if score not in self.scores:
            known = self.runs.dropna(subset=[score]) if score in self.runs else self.runs.iloc[:0]
            self.scores[score] = errors = {}
            names = [name for name in ("key", "seed", score) if name in known]
            for key, seed, *value in known[names].itertuples(index=False):
                errors.setdefault(key, {})[seed] = value[0]
        return self.scores[score]


def collect_evidence(records: Sequence[RunRecord]) -> Iterator[Evidence]:
    """Yield what records say of each task, with these options, in order of name."""
    data = aggregate.frame(list(records))
    gpu = {record.key for record in records if record.machine.gpu}
    for task, part in data.groupby("task") if len(data) else ():
        part, keys = part.dropna(axis="columns", how="all"), set(part["key"])
        own = [record for record in records if record.key in keys]
        table = aggregate.with_speed(aggregate.summary(part))
        yield Evidence(task, part, table, own, gpu)


def say_seeds(seeds: int) -> str:
    """Return how many seeds something rests on, and that they are few if they are."""
    count = f"{seeds} seed{'s' * (seeds != 1)}"
    return f"{count}: a hint, no result" if seeds < FEW_SEEDS else count


def say_ratio(ratio: ErrorRatio, of: str) -> str:
    """Return a ratio of errors to those of something, with its interval and its seeds."""
    return f"errs {formats.plain(ratio.ratio, 3)} times as much as {of} ({say_ends(ratio)})"


def say_ends(ratio: ErrorRatio) -> str:
    """Return the interval of a ratio and its seeds."""
    ends = "" if ratio.high == inf else f"{LEVEL} interval {say_span(ratio.low, ratio.high)}; "
    return ends + say_seeds(ratio.seeds)


def say_interval(value: float, low: float, high: float) -> str:
    """Return a value with its interval, if there is one."""
    ends = f" ({say_span(low, high)})" if high not in (inf, value) else ""
    return f"{say_end(value)}{ends}"


def say_margin(ratio: ErrorRatio) -> str:
    """Return what a ratio means for the margin."""
    words = {
        True: f"within the margin of {PERCENT}",
        False: f"beyond the margin of {PERCENT}",
        None: f"whether within the margin of {PERCENT} is open",
    }
    better = "less, and so " if ratio.is_better else ""
    return better + words[ratio.is_within()]


def as_number(name: str, ratio: ErrorRatio) -> Number:
    """Return a ratio of errors as the number of a finding."""
    return Number(name, ratio.ratio, ratio.low, ratio.high, ratio.seeds)


def say_span(low: float, high: float) -> str:
    """Return an interval."""
    return f"{say_end(low)} to {say_end(high)}"


def say_end(value: float) -> str:
    """Return a ratio or an end of its interval, with as many digits as tell it from a limit."""
    texts = [formats.plain(value, digits) for digits in (3, 4, 5)]
    return next((text for text in texts if text not in TELLING), texts[0])
