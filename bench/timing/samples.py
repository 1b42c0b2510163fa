"""The one clock: interleaved samples of several functions, warm, pinned and marked for quality."""

from collections.abc import Mapping
from functools import cache
from math import ceil
from statistics import median, quantiles

from bench.records.timings import DISTURBED_SPREAD, Timing
from bench.system.clock import Clock, Function, OffCpu, now, wall_clock

SHORTEST_S = 2e-3  # a sample of a faster function is the mean of several calls
WARM_UP_S = 0.3
PATIENCE_S = 3.0  # a warm-up that takes longer compares single calls
ATTEMPTS = 3
CONFIDENCE = 0.99
LIMITS = {  # up to which a timing is of quality A, and from which on of quality C
    "spread": (0.05, DISTURBED_SPREAD),  # interquartile range over median
    "excess": (0.1, 0.5),  # median over best, less one
    "drift": (0.02, 0.2),  # median of the second half over that of the first, less one
    "lag": (0.05, 0.2),  # share of the time in which the process did not have the processor
    "clock": (0.02, 0.1),  # a GPU's highest clock over its lowest, less one
}


def measure_functions(
    functions: Mapping[str, Function],
    rounds: int,
    clock: Clock = wall_clock,
    attempts: int = ATTEMPTS,
    patience_s: float = PATIENCE_S,
) -> dict[str, Timing]:
    """Return timings of all functions, sampled in turn so that a disturbance strikes all alike.

    A session with a timing of quality C is repeated; after so many attempts the best stands. Of a
    function that is warmed up for longer than the patience single calls are compared.
    """
    calls = {name: warm_up(f, clock, patience_s=patience_s) for name, f in functions.items()}
    sessions = []
    while len(sessions) < attempts and (not sessions or _count_disturbed(sessions[-1])):
        samples, off_cpu = {name: [] for name in functions}, OffCpu()
        for _ in range(rounds):
            for name, function in functions.items():
                samples[name].append(1e3 * clock(function, calls[name]))
        lag = off_cpu.share() if clock is wall_clock else 0.0
        sessions.append({name: summarise(taken, lag) for name, taken in samples.items()})
    return min(sessions, key=_count_disturbed)


def summarise(
    samples_ms: list[float], lag: float = 0.0, clock: float = 0.0, throttled: str = ""
) -> Timing:
    """Return median, interval, best, spread and quality of raw samples in milliseconds."""
    low, middle, high = quantiles(samples_ms, n=4)
    mark, reason = grade(samples_ms, lag, clock, throttled)
    return Timing(
        median_ms=middle,
        interval_ms=interval(samples_ms),
        best_ms=min(samples_ms),
        iqr_ms=high - low,
        rounds=len(samples_ms),
        samples_ms=[round(sample, 6) for sample in samples_ms],
        quality=mark,
        reason=reason,
    )


def grade(samples_ms: list[float], lag: float, clock: float, throttled: str) -> tuple[str, str]:
    """Return A: quiet; B: usable; C: disturbed, kept out of every headline; and why it is no A."""
    low, middle, high = quantiles(samples_ms, n=4)
    half = len(samples_ms) // 2
    shares = {
        "spread": (high - low) / middle,
        "excess": middle / min(samples_ms) - 1,
        "drift": abs(median(samples_ms[-half:]) / median(samples_ms[:half]) - 1),
        "lag": lag,
        "clock": clock,
    }
    reasons = [f"{name} {shares[name]:.0%}" for name in LIMITS if shares[name] >= LIMITS[name][0]]
    if throttled:
        reasons.append(f"throttled: {throttled}")
    if throttled or any(shares[name] >= LIMITS[name][1] for name in LIMITS):
        return "C", ", ".join(reasons)
    return ("B", ", ".join(reasons)) if reasons else ("A", "")


def interval(samples: list[float]) -> list[float]:
    """Return the bootstrap interval of the median, by the exact law of a resample's median."""
    ordered = sorted(samples)
    outside = _count_outside(len(ordered))
    return [ordered[outside], ordered[-1 - outside]]


@cache
def _count_outside(n: int) -> int:
    """Return how many of n ordered samples lie beyond each end of the interval.

    The median of n draws with replacement is one of the k smallest samples with the probability
    that at least half of the draws are, a regularised incomplete beta function of k / n.
    """
    from scipy.special import betaincinv  # 0.15 s, of which a worker that only samples has no use

    half = (n + 1) // 2
    return int(n * betaincinv(half, n - half + 1, (1 - CONFIDENCE) / 2))


def warm_up(
    function: Function,
    clock: Clock,
    shortest_s: float = SHORTEST_S,
    patience_s: float = PATIENCE_S,
) -> int:
    """Run until the last five calls are as fast as the five before; return calls per sample."""
    times, started, least_s = [], now(), min(WARM_UP_S, patience_s)
    while now() - started < least_s or not _is_flat(times, now() - started < patience_s):
        times.append(clock(function, 1))
    return ceil(shortest_s / median(times[-5:]))


def _is_flat(times: list[float], patient: bool) -> bool:
    several = 5 if patient else 1
    if len(times) < 2 * several:
        return False
    before = median(times[-2 * several : -several])
    return median(times[-several:]) > 0.95 * before or len(times) > 1000


def _count_disturbed(session: dict[str, Timing]) -> int:
    return sum(timing.quality == "C" for timing in session.values())
