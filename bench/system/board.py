"""The live table of a training: how many runs ended, what is running, what is best so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.markup import escape
from rich.table import Table

MSE = "mse_test"
SHOWN = 3  # of the best runs
Scores = Mapping[str, float]


@dataclass
class Board:
    """Names and lengths of the runs, how far each has come, the scores of those that ended.

    `seen` are the last loss of a run and its last error in validation.
    """

    names: Sequence[str]
    lengths: Sequence[int]
    steps: dict[int, int] = field(default_factory=dict)
    seen: dict[int, tuple[float | None, float | None]] = field(default_factory=dict)
    ended: dict[int, Scores | None] = field(default_factory=dict)

    def end(self, index: int, scores: Scores | None) -> None:
        """Note that a run has ended: with scores, or without any if it failed."""
        self.ended[index] = scores

    def running(self) -> list[int]:
        """Return the runs that have begun and not ended."""
        return [index for index in self.steps if index not in self.ended]

    def best(self) -> list[tuple[int, Scores]]:
        """Return the runs that err least so far."""
        scored = [(i, scores) for i, scores in self.ended.items() if scores and MSE in scores]
        return sorted(scored, key=lambda pair: pair[1][MSE])[:SHOWN]

    def __rich__(self) -> Table:
        """Return the table as it stands."""
        failed = sum(scores is None for scores in self.ended.values())
        running, total = self.running(), len(self.names)
        waiting = total - len(self.ended) - len(running)
        title = f"{len(self.ended) - failed} done, {failed} failed, {len(running)} running, "
        table = Table(title=f"{title}{waiting} to go", title_justify="left", box=None)
        for heading in ("", "run", "step", "loss", "val MSE", "MSE", "E'"):
            table.add_column(heading, justify="left" if heading in ("", "run") else "right")
        for index in running:
            state = "running" if self.steps[index] < self.lengths[index] else "scoring"
            step = f"{self.steps[index]:,} of {self.lengths[index]:,}"
            numbers = map(_say, self.seen.get(index, ()))
            table.add_row(state, escape(self.names[index]), step, *numbers)
        for index, scores in self.best():
            loss, _ = self.seen.get(index, (None, None))
            numbers = (loss, *map(scores.get, ("mse_val", MSE, "expected_error_test")))
            row = (escape(self.names[index]), f"{self.lengths[index]:,}", *map(_say, numbers))
            table.add_row("best", *row)
        return table


def _say(number: float | None) -> str:
    return "" if number is None else f"{number:.3g}"
