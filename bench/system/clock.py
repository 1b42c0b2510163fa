"""The one clock: wall time, CUDA events, time off the processor."""

import time
from collections.abc import Callable
from typing import Any

Function = Callable[[], Any]
Clock = Callable[[Function, int], float]
now = time.perf_counter


def wall_clock(function: Function, calls: int) -> float:
    """Return the mean seconds per call on a device whose calls return when they are done."""
    started = now()
    for _ in range(calls):
        function()
    return (now() - started) / calls


def event_clock(function: Function, calls: int) -> float:
    """Return the mean seconds per call on a CUDA device, between two events on its stream."""
    from torch.cuda import Event

    start, end = Event(enable_timing=True), Event(enable_timing=True)
    start.record()
    for _ in range(calls):
        function()
    end.record()
    end.synchronize()
    return 1e-3 * start.elapsed_time(end) / calls


def clock_of(device: str) -> Clock:
    """Return the clock that fits the device."""
    return event_clock if device == "cuda" else wall_clock


class OffCpu:
    """The share of the time since its making in which the process did not have the processor."""

    def __init__(self) -> None:
        self.started, self.worked = now(), time.process_time()

    def share(self) -> float:
        """Return the share, from 0, the process ran all the time, to 1."""
        worked = time.process_time() - self.worked
        return max(0.0, 1 - worked / (now() - self.started))
