"""Time, throughput and memory against the size of a sample or of a batch."""

from collections import Counter
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.reporting.figures.style import SPEED_KINDS, Row, Rows, head, legend, palette

LINES = {True: "-", False: "--"}  # equivariant models, unconstrained ones


def scaling(axis: str, other: str) -> Callable[[Rows, str], Figure | None]:
    """Return what draws time and throughput against one size, at the commonest of the other."""

    def draw(rows: Rows, title: str) -> Figure | None:
        fixed = widest(rows, other)
        shown = [row for row in rows if row[other] == fixed]
        if len({row[axis] for row in shown}) < 2:
            return None
        figure = Figure(figsize=(9.6, 6.4), layout="constrained")
        axes = figure.subplots(2, 2, sharex=True)
        for column, (kind, words) in enumerate(SPEED_KINDS.items()):
            name = f"{kind}_ms"
            _lines(axes[0, column], shown, axis, name, lambda row, t: t)
            _lines(axes[1, column], shown, axis, name, lambda row, t: 1e3 * row["batch"] / t)
            at = f"{fixed} nodes" if other == "nodes" else f"batch {fixed}"
            axes[0, column].set(title=f"{words}, {at}", ylabel="ms")
            axes[1, column].set(xlabel=axis, ylabel="samples/s")
        legend(figure, axes[0, 0])
        head(figure, f"Time against {axis}", title)
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
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    ax = figure.subplots()
    _lines(ax, shown, "nodes", "step_peak_bytes", lambda row, peak: 1e-6 * peak)
    ax.set(title=f"training step, batch {fixed}", xlabel="nodes", ylabel="MB")
    legend(figure, ax)
    head(figure, "Memory", title)
    return figure


def _lines(ax: Axes, rows: Rows, axis: str, name: str, value: Callable) -> None:
    for model, colour in palette(rows).items():
        own = sorted((r for r in rows if r["model"] == model and r[name]), key=lambda r: r[axis])
        points = [(row[axis], value(row, row[name])) for row in own]
        if points:
            style = LINES[own[0]["equivariant"]]
            faces = ["white" if _is_disturbed(row, name) else colour for row in own]
            ax.plot(*zip(*points, strict=True), style, color=colour, label=model)
            ax.scatter(*zip(*points, strict=True), 36, faces, edgecolors=colour, zorder=3)
    ax.set(xscale="log", yscale="log")
    ticks = sorted({row[axis] for row in rows})
    ax.set_xticks(ticks, map(str, ticks))
    ax.minorticks_off()


def _is_disturbed(row: Row, name: str) -> bool:
    return row.get(name.replace("_ms", "_quality")) == "C"
