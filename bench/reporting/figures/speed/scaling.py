"""Time, throughput and memory against the size of a sample or of a batch."""

from collections import Counter
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import (
    SPEED_KINDS,
    Row,
    Rows,
    head,
    palette,
    panels,
    set_plain_ticks,
)

LINES = {True: "-", False: "--"}  # equivariant models, unconstrained ones


def scaling(
    axis: str, other: str, throughput: bool = False
) -> Callable[[Rows, str], Figure | None]:
    """Return what draws time, or throughput, against one size, at the commonest of the other."""
    what, unit, value = (
        ("Throughput", "samples/s", _per_second) if throughput else ("Time", "ms", _same)
    )

    def draw(rows: Rows, title: str) -> Figure | None:
        fixed = widest(rows, other)
        shown = [row for row in rows if row[other] == fixed]
        if len({row[axis] for row in shown}) < 2:
            return None
        figure, axes = panels(2, 1.1)
        for ax, (kind, words) in zip(axes, SPEED_KINDS.items(), strict=True):
            at = f"{fixed} nodes" if other == "nodes" else f"batch {fixed}"
            _lines(ax, shown, axis, f"{kind}_ms", value)
            ax.set(title=f"{words}, {at}", xlabel=axis, ylabel=unit)
        head(figure, f"{what} against {axis}", title)
        return figure

    return draw


def widest(rows: Rows, axis: str) -> int | None:
    """Return the size along an axis that most rows share, the largest of several such."""
    counts = Counter(row[axis] for row in rows)
    return max(counts, key=lambda size: (counts[size], size), default=None)


def memory(rows: Rows, title: str) -> Figure | None:
    """Return most bytes alive in a training step, against nodes, at the commonest batch."""
    fixed = widest(rows, "batch")
    shown = [row for row in rows if row["batch"] == fixed and row.get("step_peak_bytes")]
    if len({row["nodes"] for row in shown}) < 2:
        return None
    figure, (ax,) = panels(1, 1.1)
    _lines(ax, shown, "nodes", "step_peak_bytes", lambda row, peak: 1e-6 * peak)
    ax.set(title=f"training step, batch {fixed}", xlabel="nodes", ylabel="MB")
    head(figure, "Memory", title)
    return figure


def _lines(ax: Axes, rows: Rows, axis: str, name: str, value: Callable) -> None:
    """Draw the models that were timed at two sizes or more."""
    labels = []
    for model, colour in palette(rows).items():
        own = sorted((r for r in rows if r["model"] == model and r[name]), key=lambda r: r[axis])
        points = [(row[axis], value(row, row[name])) for row in own]
        if len(points) > 1:
            style = LINES[own[0]["equivariant"]]
            faces = ["none" if _is_disturbed(row, name) else colour for row in own]
            ax.plot(*zip(*points, strict=True), style, color=colour)
            ax.scatter(*zip(*points, strict=True), 12, faces, edgecolors=colour, zorder=3)
            labels.append(Label(*points[-1], model, colour))
    ax.set(xscale="log", yscale="log")
    ticks = sorted({row[axis] for row in rows})
    ax.set_xticks(ticks, map(str, ticks))
    set_plain_ticks(ax.yaxis)
    ax.xaxis.set_minor_locator(NullLocator())
    label_ends(ax, labels)


def _same(row: Row, time_ms: float) -> float:
    return time_ms


def _per_second(row: Row, time_ms: float) -> float:
    return 1e3 * row["batch"] / time_ms


def _is_disturbed(row: Row, name: str) -> bool:
    return row.get(name.replace("_ms", "_quality")) == "C"
