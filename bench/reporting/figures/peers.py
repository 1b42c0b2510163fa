"""Time and memory of a training step against the number of objects: other packages' and ours."""

from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bench.reporting import scaling_table
from bench.reporting.figures.drawing import Drawing, Job, Plot, draw_files
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import COLOURS, SCREEN, Look, Rows, head, panels, set_plain_ticks

LINES = {"theirs": "--", "ours": "-"}


def draw_peer_figures(root: Path, form: str = "png", look: Look = SCREEN) -> list[Drawing]:
    """Draw what changed of the figure of a machine's peers, under root/figures."""
    rows = scaling_table.make_rows(root)
    stem = root / "figures" / "peers"
    return draw_files([Job(SCALING, rows, root.name, stem)], form, look) if rows else []


def scaling(rows: Rows, title: str) -> Figure | None:
    """Return time and memory against objects, a colour for each pair of theirs and ours."""
    figure, axes = panels(2, 1.3)
    for ax, (unit, measure) in zip(axes, scaling_table.MEASURES.items(), strict=True):
        _lines(ax, rows, unit)
        name = "MB" if unit == "mb" else unit
        ax.set(title=f"{measure} of a training step", xlabel="objects", ylabel=name)
    head(figure, "Growth with the number of objects, and its power", title)
    return figure


def _lines(ax: Axes, rows: Rows, unit: str) -> None:
    colours, labels = dict(zip((row["beside"] for row in rows), cycle(COLOURS), strict=False)), []
    powers = {row["beside"]: row[f"{unit}_power"] for row in rows if row["side"] == "ours"}
    for row in rows:
        colour = colours[row["beside"]]
        points = [(n, row[f"{unit}_{n}"]) for n in row["sizes"]]
        ax.plot(*zip(*points, strict=True), LINES[row["side"]], color=colour, marker=".")
        if row["side"] == "theirs":
            both = f"{row[f'{unit}_power']:.2f}, {powers[row['beside']]:.2f}"
            labels.append(Label(*points[-1], f"{row['beside']} {both}", colour))
    ax.set(xscale="log", yscale="log")
    ticks = sorted({n for row in rows for n in row["sizes"]})
    ax.set_xticks(ticks, map(str, ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    set_plain_ticks(ax.yaxis)
    label_ends(ax, labels)


SCALING = Plot(
    "scaling",
    scaling,
    "Time of a training step and most megabytes alive in it, against the number of objects of a "
    "cloud in which each has 16 neighbours: dashed another package's network, solid in the same "
    "colour ours beside it, of as many parameters; behind each name the powers of the number, "
    "theirs and ours.",
)
