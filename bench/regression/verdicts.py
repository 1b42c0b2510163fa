"""Verdicts on pairs of timings: a pure function of two lists of samples, without the clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from statistics import median
from typing import TypeVar

from scipy.stats import binom, false_discovery_control

from bench.timing.samples import interval

MINIMUM_EFFECT = 0.05  # a change that is smaller is none
FALSE_DISCOVERY_RATE = 0.01  # share of false verdicts among all that are not "same"
MINIMUM_PAIRS = 12  # fewer say nothing
CONFIRMATIONS = 3  # comparisons of fresh processes, the first among them, that have to agree
IMPROVED, SAME, REGRESSED = "improved", "same", "regressed"
INCONCLUSIVE, INCOMPARABLE = "inconclusive", "incomparable"
Name = TypeVar("Name")


@dataclass(frozen=True)
class Comparison:
    """How a time has changed: the median ratio new / base, its interval, and what that means.

    `p_value` is the chance of so many pairs beyond the margin, on the side of the median, if the
    ratio were at the margin.
    """

    ratio: float
    low: float
    high: float
    pairs: int
    p_value: float
    verdict: str


def compare_samples(base: Sequence[float], new: Sequence[float], floor: float) -> Comparison:
    """Return how two lists of samples, paired by round, compare before other cases are seen.

    Regressed or improved: the 99 % bootstrap interval of the median log-ratio lies wholly beyond
    max(5 %, floor); same: wholly within. Samples of two sessions come as ratios to a unit that was
    timed beside them, and may then be paired in any order that does not look at them.
    """
    logs = [log(after / before) for before, after in zip(base, new, strict=False)]
    margin = log(1 + max(MINIMUM_EFFECT, floor))
    middle = median(logs)
    low, high = interval(logs)
    beyond = sum(x > margin for x in logs) if middle > 0 else sum(x < -margin for x in logs)
    p_value = float(binom.sf(beyond - 1, len(logs), 0.5))
    verdict = _decide(low, high, margin) if len(logs) >= MINIMUM_PAIRS else INCONCLUSIVE
    return Comparison(exp(middle), exp(low), exp(high), len(logs), p_value, verdict)


def _decide(low: float, high: float, margin: float) -> str:
    if low > margin:
        return REGRESSED
    if high < -margin:
        return IMPROVED
    return SAME if -margin <= low and high <= margin else INCONCLUSIVE


def confirm(
    comparisons: Mapping[Name, Comparison],
    measure_again: Callable[[list[Name]], Mapping[Name, Comparison]],
) -> dict[Name, Comparison]:
    """Return the comparisons after those that moved were measured again, in fresh processes.

    Where a process happens to have its memory makes it several per cent faster or slower for good,
    so two processes of one code often differ, but seldom thrice to one side.
    """
    confirmed = dict(comparisons)
    for _ in range(1, CONFIRMATIONS):
        moved = [name for name, c in confirmed.items() if c.verdict in (IMPROVED, REGRESSED)]
        again = measure_again(moved) if moved else {}
        confirmed |= {name: _agree(confirmed[name], again.get(name)) for name in moved}
    return confirmed


def _agree(first: Comparison, second: Comparison | None) -> Comparison:
    """Return the weaker of two comparisons, inconclusive if their verdicts differ."""
    if second is None or first.verdict != second.verdict:
        return replace(first, verdict=INCONCLUSIVE)
    return max(first, second, key=lambda comparison: comparison.p_value)


def control_false_discoveries(comparisons: Mapping[Name, Comparison]) -> dict[Name, Comparison]:
    """Return the comparisons in the light of each other, by Benjamini and Hochberg's procedure.

    A change that stands alone but not among so many cases is inconclusive.
    """
    adjusted = false_discovery_control([c.p_value for c in comparisons.values()])
    return {
        name: replace(comparison, verdict=INCONCLUSIVE)
        if comparison.verdict != SAME and p_value > FALSE_DISCOVERY_RATE
        else comparison
        for (name, comparison), p_value in zip(comparisons.items(), adjusted, strict=True)
    }


def find_growth(base: Mapping[str, int], new: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return the counters that have grown; they are exact, so any growth is a regression."""
    return {
        name: (base[name], new[name])
        for name in base.keys() & new.keys()
        if None not in (base[name], new[name]) and new[name] > base[name]
    }
