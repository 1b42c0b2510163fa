"""The one clock: interleaved samples of several functions, warm, pinned and marked for quality."""

import time
from collections.abc import Callable, Mapping
from math import ceil
from statistics import median, quantiles
from typing import Any

SHORTEST_S = 2e-3  # a sample of a faster function is the mean of several calls
WARM_UP_S = 0.3
ATTEMPTS = 3
Function = Callable[[], Any]
Clock = Callable[[Function, int], float]
Timing = dict[str, Any]

now = time.perf_counter


def wall_clock(function: Function, calls: int) -> float:
    """Mean seconds per call on a device whose calls return when they are done."""
    started = now()
    for _ in range(calls):
        function()
    return (now() - started) / calls


def event_clock(function: Function, calls: int) -> float:
    """Mean seconds per call on a CUDA device, between two events on its stream."""
    from torch.cuda import Event

    start, end = Event(enable_timing=True), Event(enable_timing=True)
    start.record()
    for _ in range(calls):
        function()
    end.record()
    end.synchronize()
    return 1e-3 * start.elapsed_time(end) / calls


def measure(
    functions: Mapping[str, Function], rounds: int, clock: Clock = wall_clock
) -> dict[str, Timing]:
    """Timings of all functions, sampled in turn so that a disturbance strikes all alike.

    A session with a timing of quality C is repeated; after `ATTEMPTS` sessions the best stands.
    """
    calls = {name: _warm_up(function, clock) for name, function in functions.items()}
    sessions = []
    while len(sessions) < ATTEMPTS and (not sessions or _spoilt(sessions[-1])):
        samples = {name: [] for name in functions}
        for _ in range(rounds):
            for name, function in functions.items():
                samples[name].append(1e3 * clock(function, calls[name]))
        sessions.append({name: summary(found) for name, found in samples.items()})
    return min(sessions, key=_spoilt)


def summary(samples_ms: list[float]) -> Timing:
    """Median, best, spread and quality of raw samples in milliseconds."""
    low, middle, high = quantiles(samples_ms, n=4)
    return {
        "median_ms": middle,
        "best_ms": min(samples_ms),
        "iqr_ms": high - low,
        "rounds": len(samples_ms),
        "samples_ms": [round(sample, 6) for sample in samples_ms],
        "quality": quality(middle, min(samples_ms), high - low),
    }


def quality(middle: float, best: float, spread: float) -> str:
    """A: quiet; B: usable; C: disturbed, kept out of every headline."""
    if spread < 0.05 * middle and middle < 1.1 * best:
        return "A"
    return "B" if spread < 0.2 * middle and middle < 1.5 * best else "C"


def _spoilt(session: dict[str, Timing]) -> int:
    return sum(timing["quality"] == "C" for timing in session.values())


def _warm_up(function: Function, clock: Clock) -> int:
    """Runs until the last five calls are as fast as the five before; returns calls per sample."""
    times, started = [], now()
    while now() - started < WARM_UP_S or not _flat(times):
        times.append(clock(function, 1))
    return ceil(SHORTEST_S / median(times[-5:]))


def _flat(times: list[float]) -> bool:
    if len(times) < 10:
        return False
    return median(times[-5:]) > 0.95 * median(times[-10:-5]) or len(times) > 1000
