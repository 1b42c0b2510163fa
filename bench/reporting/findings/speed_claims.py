"""How many times faster REMUL is than exact networks, as the abstract claims it."""

from collections.abc import Iterable, Iterator
from math import inf

from bench.reporting.aggregate import time_ratios
from bench.reporting.comparisons import median_interval
from bench.reporting.findings.claim import CONFIRMED, OPEN, REFUTED, Claim
from bench.reporting.findings.evidence import Evidence, Number, Row, say_interval

CLAIMED_FASTER = {"inference": 10.0, "train_step": 2.5}
WORDS = {"inference": "at inference", "train_step": "in training"}


def judge_speed(evidence: Evidence, remul: list[Row], exact: list[Row], kind: str) -> Claim:
    """Return whether a REMUL row is so many times faster than the slowest exact network.

    It is the most accurate of those that were timed in turn with exact ones, if any was.
    """
    target = CLAIMED_FASTER[kind]
    claim = f"REMUL is up to {target:g} times faster {WORDS[kind]} than equivariant baselines"
    timed = {row["key"]: [*_pair_times(row, exact, kind)] for row in remul}
    in_turn = {key: [pair for pair in pairs if pair[2] != inf] for key, pairs in timed.items()}
    row = evidence.best([row for row in remul if in_turn[row["key"]]] or remul) or remul[0]
    pairs = in_turn[row["key"]] or timed[row["key"]]
    if not pairs:
        return Claim(claim, evidence.task, OPEN, "No pair of times that counts.")
    value, low, high, slowest = max(pairs, key=lambda pair: pair[0])
    verdict = CONFIRMED if low >= target else REFUTED if high < target else OPEN
    numbers = [_count_times(row, slowest, kind, (value, low, high))]
    sentence = (
        f"{evidence.name(row)} is {say_interval(value, low, high)} times faster than "
        f"{evidence.name(slowest)}, the slowest exact network beside it (clock {numbers[0].quality}"
        f"{', one ratio without an interval' if high == inf else ''})"
    )
    better = [pair for pair in pairs if pair[-1]["mse_test"] < row["mse_test"]]
    rows = [row, slowest]
    if better:
        *times, fastest = min(better, key=lambda pair: pair[0])
        numbers.append(_count_times(row, fastest, kind, times))
        rows.append(fastest)
        beside = f"{say_interval(*times)} times than {evidence.name(fastest)}"
        sentence += f", and {beside}, the fastest whose mean error is less"
    keys = tuple(row["key"] for row in rows)
    return Claim(claim, evidence.task, verdict, f"{sentence}.", keys, tuple(numbers))


def _pair_times(row: Row, exact: list[Row], kind: str) -> Iterator[tuple]:
    """Yield how many times faster a row is than each exact network, and that network."""
    for other in exact:
        if ratios := time_ratios(other, row, kind):
            yield (*median_interval(ratios), other)


def _count_times(row: Row, exact: Row, kind: str, times: Iterable[float]) -> Number:
    """Return how many times faster a row is than an exact one: median, and its ends if known."""
    value, low, high = times
    low, high = (value, value) if high == inf else (low, high)
    quality = max(row[f"{kind}_quality"], exact[f"{kind}_quality"])
    return Number(f"times faster, {kind}", value, low, high, row["seeds"], quality)
