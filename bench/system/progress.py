"""Progress: of a sweep a table and the time left on a terminal, of all else plain lines."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import Event, Thread

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from bench.system.board import Board
from bench.system.clock import now
from bench.system.streams import terminal

SILENCE_S = 20.0  # after which a command that is at work says so once more
Tell = Callable[[str, float], None]


class Tracker:
    """Counts training steps over all runs; prints a line for every run that ends."""

    def __init__(self, board: Board, console: Console, bar: Progress) -> None:
        self.board, self.console, self.bar = board, console, bar
        self.steps = board.steps
        self.total, self.started = sum(board.lengths), now()
        self.handle = bar.add_task("training", total=self.total)

    def step(
        self, index: int, step: int, loss: float | None = None, error: float | None = None
    ) -> None:
        """Note how far a run has come, and where they are known its loss and validation error."""
        self.steps[index] = step
        if (loss, error) != (None, None):
            self.board.seen[index] = loss, error
        self.bar.update(self.handle, completed=sum(self.steps.values()))

    def line(self, text: str) -> None:
        """Print a line, with the time left where there is no bar to show it."""
        left = "" if self.console.is_terminal else f"  ({self.left()} left)"
        self.console.print(text + left, highlight=False, markup=False, soft_wrap=True)

    def left(self) -> str:
        """Return the time until all runs are done, at the pace so far."""
        done = sum(self.steps.values())
        if not done:
            return "?"
        return duration((now() - self.started) * (self.total - done) / done)


@contextmanager
def tracking(names: Sequence[str], lengths: Sequence[int]) -> Iterator[Tracker]:
    """Yield a tracker of runs and their steps; on a terminal a table and a bar, on stderr."""
    console = Console(file=terminal())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    bar = Progress(*columns, console=console, disable=not console.is_terminal)
    board = Board(names, lengths)
    shown = Live(Group(board, bar), console=console, refresh_per_second=2)
    with shown if console.is_terminal else nullcontext():
        yield Tracker(board, console, bar)


def duration(seconds: float) -> str:
    """Return seconds in words: 42 s, 3 min 20 s, 5 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def print_progress(what: str) -> Callable[[float, float], None]:
    """Return a function of what is done and of the total, which prints each tenth on stderr."""
    started, printed = now(), 0

    def update(done: float, total: float) -> None:
        nonlocal printed
        if int(10 * done / total) > printed:
            printed = int(10 * done / total)
            left = duration((now() - started) * (total - done) / done)
            print(f"{what}: {10 * printed} % ({left} left)", file=sys.stderr)

    return update


def ignore(text: str, done: float) -> None:
    """Tell nobody."""


class Teller:
    """Says what is under way: in a bar on a terminal, else in lines, again while it lasts."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self.console, self.bar, self.handle = console, bar, bar.add_task("", total=1.0)
        self.started, self.spoke, self.last = now(), now(), ("", 0.0)

    def tell(self, text: str, done: float) -> None:
        """Say what is under way now, and which share of all is done."""
        self.spoke, self.last = now(), (text, done)
        self.bar.update(self.handle, description=text, completed=done)
        if not self.console.is_terminal:
            line = f"{text}  ({done:.0%} done after {duration(now() - self.started)})"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def repeat(self, over: Event) -> None:
        """Say the last again whenever nothing was said for long, until all is over."""
        while not over.wait(SILENCE_S / 4):
            if self.last[0] and now() - self.spoke >= SILENCE_S:
                self.tell(*self.last)


@contextmanager
def telling() -> Iterator[Tell]:
    """Yield a function to be told what is under way, and which share of all is done."""
    console, over = Console(file=terminal()), Event()
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}", markup=False))
    bar = Progress(
        *columns, console=console, disable=not console.is_terminal, refresh_per_second=1,
        transient=True, redirect_stdout=sys.stdout.isatty(),
    )  # fmt: skip
    teller = Teller(console, bar)
    Thread(target=teller.repeat, args=(over,), daemon=True).start()
    try:
        with bar:
            yield teller.tell
    finally:
        over.set()
