"""Progress: of a sweep a bar with the time left on a terminal, of all else plain lines."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.system.clock import now


class Tracker:
    """Counts training steps over all runs; says a line for every run that ends."""

    def __init__(self, total: int, console: Console, bar: Progress) -> None:
        self.console, self.bar = console, bar
        self.steps: dict[int, int] = {}
        self.total, self.started = total, now()
        self.handle = bar.add_task("training", total=total)

    def step(self, index: int, step: int) -> None:
        """Notes how far a run has come."""
        self.steps[index] = step
        self.bar.update(self.handle, completed=sum(self.steps.values()))

    def line(self, text: str) -> None:
        """Says a line, with the time left where there is no bar to show it."""
        left = "" if self.console.is_terminal else f"  ({self.left()} left)"
        self.console.print(text + left, highlight=False, markup=False, soft_wrap=True)

    def left(self) -> str:
        """Time until all runs are done, at the pace so far."""
        done = sum(self.steps.values())
        if not done:
            return "?"
        return duration((now() - self.started) * (self.total - done) / done)


@contextmanager
def tracking(total: int) -> Iterator[Tracker]:
    """A tracker for `total` training steps, its bar on stderr."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    bar = Progress(*columns, console=console, disable=not console.is_terminal)
    with bar:
        yield Tracker(total, console, bar)


def duration(seconds: float) -> str:
    """Seconds in words: 42 s, 3 min 20 s, 5 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def tenths(what: str) -> Callable[[float, float], None]:
    """A function to be told how much of how much is done: it says each tenth, and the time left."""
    started, said = now(), 0

    def tell(done: float, total: float) -> None:
        nonlocal said
        if int(10 * done / total) > said:
            said = int(10 * done / total)
            left = duration((now() - started) * (total - done) / done)
            print(f"{what}: {10 * said} % ({left} left)", file=sys.stderr)

    return tell
