"""Paired tests: what errs more, what is within a margin, what is not told from the best, Pareto."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import comb, exp, inf, log, sqrt
from statistics import fmean, median, stdev, variance

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes a second to import

MARGIN = 0.1  # an error that is larger by less is as good
ALIKE = 0.05  # times that differ by less are as good
CONFIDENCE = 0.95
FEW_SEEDS = 5  # fewer give a hint, no result
AFFORDABLE_SEEDS = 100
SMALLEST, LARGEST_LOG = 1e-300, 700.0
Errors = Mapping[int, float]  # of a row, by seed


@dataclass(frozen=True)
class ErrorRatio:
    """How many times as much one row errs as another: geometric mean over the seeds of both.

    `low` and `high` are the ends of Student's interval of the mean log-ratio, `spread` is the
    standard deviation of the log-ratios. With one seed the interval is everything.
    """

    ratio: float
    low: float
    high: float
    spread: float
    seeds: int

    @property
    def is_worse(self) -> bool:
        """Whether it errs more, by however little."""
        return self.low > 1

    @property
    def is_better(self) -> bool:
        """Whether it errs less, by however little."""
        return self.high < 1

    def is_within(self, margin: float = MARGIN) -> bool | None:
        """Return whether it errs more by less than the margin; None where the seeds cannot say."""
        if self.high < 1 + margin:
            return True
        return False if self.low > 1 + margin else None

    def seeds_to_tell(self, limit: float) -> int | None:
        """Return how many seeds would tell the ratio from a limit, if it is what it seems.

        None if they are more than anybody can afford; a few where one seed tells of no spread.
        """
        if self.seeds < 2:
            return FEW_SEEDS
        gap = abs(log(self.ratio) - log(limit))
        counts = range(max(self.seeds + 1, FEW_SEEDS), AFFORDABLE_SEEDS + 1)
        enough = (n for n in counts if _critical(CONFIDENCE, n - 1) * self.spread / sqrt(n) < gap)
        return next(enough, None)


def compare_errors(errors: Errors, reference: Errors, picked: Sequence[int] = (1, 1)) -> ErrorRatio:
    """Return how the errors of a row compare with a reference's, seed by seed.

    Seeds share data and their order, so pairs take out what they have in common. `picked` says
    from how many rows each of both was picked as the best: with one from many, chance flatters it,
    and its side of the interval is wider (Bonferroni, by the quotient of the two numbers).
    Raises `ValueError` if they share no seed.
    """
    logs = _log_ratios(errors, reference)
    if not logs:
        raise ValueError("two rows without a seed in common cannot be compared")
    middle, n = fmean(logs), len(logs)
    spread = stdev(logs) if n > 1 else 0.0
    flattered = max(1.0, picked[0] / picked[1]), max(1.0, picked[1] / picked[0])
    up, down = (_critical(1 - (1 - CONFIDENCE) / k, n - 1) for k in flattered)
    ends = (middle - down * spread / sqrt(n), middle + up * spread / sqrt(n))
    low, high = (_exp(x) for x in ends) if n > 1 else (0.0, inf)
    return ErrorRatio(_exp(middle), low, high, spread, n)


def find_ties(errors: Mapping[str, Errors]) -> list[str]:
    """Return the best row, by its mean, and all that are not told from it, in order of their mean.

    A row is told from the best one if its log-errors are larger by a paired t-test, Bonferroni over
    the rows, so the row that is best in truth is among them in about 97.5 % of cases. The spread is
    the larger of the pair's own and that of all pairs, which few seeds know better.
    """
    order = sorted(
        (row for row in errors if errors[row]), key=lambda row: fmean(errors[row].values())
    )
    if len(order) < 2:
        return order
    logs = {row: _log_ratios(errors[row], errors[order[0]]) for row in order[1:]}
    variances = {row: variance(own) for row, own in logs.items() if len(own) > 1}
    freedom = sum(len(logs[row]) - 1 for row in variances)
    pooled = sum((len(logs[row]) - 1) * own for row, own in variances.items()) / max(freedom, 1)
    critical = _critical(1 - (1 - CONFIDENCE) / len(logs), freedom)
    told = {
        row
        for row, own in logs.items()
        if own and freedom
        and fmean(own) > critical * sqrt(max(pooled, variances.get(row, 0.0)) / len(own))
    }  # fmt: skip
    return [row for row in order if row not in told]


def find_front(rows: Iterable[Sequence[float | None]], names: Sequence[str]) -> list[bool]:
    """Return which rows no other one dominates: none is as good in all numbers, better in one.

    Smaller is better; times, whose names end with `_ms`, are alike within the 5 % below which
    `check` calls a change none. A row that lacks a number is not on the front.
    """
    numbers = np.array([[np.nan if x is None else x for x in row] for row in rows], dtype=float)
    if not len(numbers):
        return []
    slack = np.array([1 + ALIKE * name.endswith("_ms") for name in names])
    whole = ~np.isnan(numbers).any(1)
    return [
        bool(known and not ((numbers <= slack * row).all(1) & (slack * numbers < row).any(1)).any())
        for row, known in zip(numbers, whole, strict=True)
    ]


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and the ends of Student's interval; of one value nothing is known."""
    middle = fmean(values)
    if len(values) < 2:
        return middle, -inf, inf
    half = _critical(CONFIDENCE, len(values) - 1) * stdev(values) / sqrt(len(values))
    return middle, middle - half, middle + half


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and an interval of it by the sign test, which assumes nothing."""
    ordered = sorted(values)
    outside = _count_outside(len(ordered))
    if outside < 0:
        return median(ordered), -inf, inf
    return median(ordered), ordered[outside], ordered[-1 - outside]


@cache
def _count_outside(n: int) -> int:
    """Return how many of n ordered values lie beyond each end, -1 if n are too few for an end."""
    heads = accumulate(comb(n, k) / 2**n for k in range(n + 1))
    return next(k for k, share in enumerate(heads) if share >= (1 - CONFIDENCE) / 2) - 1


@cache
def _critical(confidence: float, freedom: int) -> float:
    """Return Student's two-sided critical value; without a degree of freedom nothing is told."""
    return float(stdtrit(freedom, (1 + confidence) / 2)) if freedom else inf


def _log_ratios(errors: Errors, reference: Errors) -> list[float]:
    common = sorted(errors.keys() & reference.keys())
    return [_log(errors[seed]) - _log(reference[seed]) for seed in common]


def _log(error: float) -> float:
    return log(max(error, SMALLEST))


def _exp(x: float) -> float:
    return exp(min(max(x, -LARGEST_LOG), LARGEST_LOG))
