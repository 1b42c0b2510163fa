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
INCONCLUSIVE, INCOMPARABLE, GONE = "inconclusive", "incomparable", "gone"
MOVED = (IMPROVED, REGRESSED)
Name = TypeVar("Name")


@dataclass(frozen=True)
class Comparison:
    """How a time has changed: the median ratio new / base, its interval, and what that means.

    `p_value` is the chance of so many pairs beyond the margin, on the side of the median, if the
    ratio were at the margin; `why` says what keeps a verdict from being more.
    """

    ratio: float
    low: float
    high: float
    pairs: int
    p_value: float
    verdict: str
    why: str = ""

    def doubt(self, why: str) -> "Comparison":
        """Return the comparison as an inconclusive one, for a reason."""
        return replace(self, verdict=INCONCLUSIVE, why=why)


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
    verdict, why = _decide(len(logs), low, high, margin)
    return Comparison(exp(middle), exp(low), exp(high), len(logs), p_value, verdict, why)


def _decide(pairs: int, low: float, high: float, margin: float) -> tuple[str, str]:
    if pairs < MINIMUM_PAIRS:
        return INCONCLUSIVE, f"{pairs} pairs are too few, {MINIMUM_PAIRS} may tell"
    if low > margin:
        return REGRESSED, ""
    if high < -margin:
        return IMPROVED, ""
    if -margin <= low and high <= margin:
        return SAME, ""
    limits = " and ".join(f"{exp(x):.3f}" for x in (-margin, margin) if low <= x <= high)
    return INCONCLUSIVE, f"the interval straddles the limit ({limits})"


def confirm(
    comparisons: Mapping[Name, Comparison],
    measure_again: Callable[[list[Name]], Mapping[Name, Comparison]],
) -> dict[Name, Comparison]:
    """Return the comparisons after those that moved were measured again, in fresh processes.

    Where a process happens to have its memory makes it several per cent faster or slower for good,
    so two processes of one code often differ, but seldom thrice to one side.
    """
    looks: dict[Name, list[Comparison | None]] = {name: [c] for name, c in comparisons.items()}
    for _ in range(1, CONFIRMATIONS):
        moved = [name for name, taken in looks.items() if _agree(taken).verdict in MOVED]
        again = measure_again(moved) if moved else {}
        for name in moved:
            looks[name].append(again.get(name))
    return {name: _agree(taken) for name, taken in looks.items()}


def _agree(looks: Sequence[Comparison | None]) -> Comparison:
    """Return the weakest of several looks; inconclusive, with all ratios, if verdicts differ."""
    first, last = looks[0], looks[-1]
    if any(look is None or look.verdict != first.verdict for look in looks):
        ratios = ", ".join(f"{look.ratio:.2f}" if look else "none" for look in looks)
        why = "not measured again" if last is None else last.why
        return first.doubt(f"looks: {ratios}" + (f" ({why})" if why else ""))
    return max(looks, key=lambda look: look.p_value)


def control_false_discoveries(comparisons: Mapping[Name, Comparison]) -> dict[Name, Comparison]:
    """Return the comparisons in the light of each other, by Benjamini and Hochberg's procedure.

    A change that stands alone but not among so many cases is inconclusive.
    """
    adjusted = false_discovery_control([c.p_value for c in comparisons.values()])
    chance = f"it may be chance among {len(comparisons)} comparisons"
    limit = f"at a false discovery rate of {FALSE_DISCOVERY_RATE:.0%}"
    return {
        name: c.doubt(f"{chance} {limit}")
        if c.verdict in MOVED and p_value > FALSE_DISCOVERY_RATE
        else c
        for (name, c), p_value in zip(comparisons.items(), adjusted, strict=True)
    }


def find_growth(base: Mapping[str, int], new: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return the counters that have grown; they are exact, so any growth is a regression."""
    return {
        name: (base[name], new[name])
        for name in base.keys() & new.keys()
        if None not in (base[name], new[name]) and new[name] > base[name]
    }
