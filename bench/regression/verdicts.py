"""Verdicts on pairs of timings: a pure function of two lists of samples, without the clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from statistics import median
from typing import TypeVar

from scipy.stats import binom, false_discovery_control

from bench.timing.samples import interval

MARGIN = 0.05  # a change that is smaller is none
DISCOVERIES = 0.01  # share of false verdicts among all that are not "same"
FEWEST = 12  # pairs; fewer say nothing
LOOKS = 3  # at fresh processes, which have to agree on a change
IMPROVED, SAME, REGRESSED = "improved", "same", "regressed"
INCONCLUSIVE, INCOMPARABLE = "inconclusive", "incomparable"
Name = TypeVar("Name")


@dataclass(frozen=True)
class Change:
    """How a time has changed: the median ratio new / base, its interval, and what that means.

    `chance` is that of so many pairs beyond the margin, on the side of the median, if the ratio
    were at the margin.
    """

    ratio: float
    low: float
    high: float
    pairs: int
    chance: float
    verdict: str


def change(base: Sequence[float], new: Sequence[float], floor: float) -> Change:
    """The change between two lists of samples, paired by round, before other cells are seen.

    Regressed or improved: the 99 % bootstrap interval of the median log-ratio lies wholly beyond
    max(5 %, floor); same: wholly within. Samples of two sessions come as ratios to a unit that was
    timed beside them, and may then be paired in any order that does not look at them.
    """
    logs = [log(after / before) for before, after in zip(base, new, strict=False)]
    margin = log(1 + max(MARGIN, floor))
    middle = median(logs)
    low, high = interval(logs)
    beyond = sum(x > margin for x in logs) if middle > 0 else sum(x < -margin for x in logs)
    verdict = INCONCLUSIVE
    if len(logs) >= FEWEST:
        verdict = _verdict(low, high, margin)
    chance = float(binom.sf(beyond - 1, len(logs), 0.5))
    return Change(exp(middle), exp(low), exp(high), len(logs), chance, verdict)


def _verdict(low: float, high: float, margin: float) -> str:
    if low > margin:
        return REGRESSED
    if high < -margin:
        return IMPROVED
    return SAME if -margin <= low and high <= margin else INCONCLUSIVE


def confirmed(
    changes: Mapping[Name, Change], look: Callable[[list[Name]], Mapping[Name, Change]]
) -> dict[Name, Change]:
    """The changes after further looks at those that are regressed or improved, in fresh processes.

    Where a process happens to have its memory makes it several per cent faster or slower for good,
    so two processes of one code often differ, but seldom thrice to one side.
    """
    found = dict(changes)
    for _ in range(1, LOOKS):
        moved = [name for name, one in found.items() if one.verdict in (IMPROVED, REGRESSED)]
        again = look(moved) if moved else {}
        found |= {name: _agreed(found[name], again.get(name)) for name in moved}
    return found


def _agreed(first: Change, second: Change | None) -> Change:
    """The weaker of two changes, inconclusive if their verdicts differ."""
    if second is None or first.verdict != second.verdict:
        return replace(first, verdict=INCONCLUSIVE)
    return max(first, second, key=lambda one: one.chance)


def among(changes: Mapping[str, Change]) -> dict[str, str]:
    """The verdicts on several cells at once, by Benjamini and Hochberg's procedure.

    A change that stands alone but not among so many cells is inconclusive.
    """
    adjusted = false_discovery_control([one.chance for one in changes.values()])
    return {
        name: INCONCLUSIVE if one.verdict != SAME and chance > DISCOVERIES else one.verdict
        for (name, one), chance in zip(changes.items(), adjusted, strict=True)
    }


def grown(base: Mapping[str, int], new: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """The counters that are larger than they were; exact, so any growth is a regression."""
    return {
        name: (base[name], new[name])
        for name in base.keys() & new.keys()
        if None not in (base[name], new[name]) and new[name] > base[name]
    }
