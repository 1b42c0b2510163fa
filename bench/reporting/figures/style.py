"""What the figures share: looks, colours of families, panels, names, bars and axes."""

import re
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, LogLocator, NullLocator, StrMethodFormatter

from bench.core import plugins
from bench.reporting.aggregate import AND

SPLITS = {"test": "in distribution", "ood": "out of distribution"}
MARKERS = {"plain": "o", "augment": "s", "remul": "D", "ramp": "^", "gradnorm": "v", "dual": "P"}
LINES = {"plain": "-", "augment": "--", "remul": "-.", "ramp": ":", "gradnorm": (0, (5, 1, 1, 1)),
         "dual": (0, (1, 3))}  # fmt: skip
FILLS = {"": "full", "frame_average": "none", "canonicalise": "left"}
SHORT = {
    " + old version": " (old)", "frame_average": "frames", "group_average(": "group(", ", ": " ",
}  # fmt: skip
SPEED_KINDS = {"inference": "inference", "train_step": "training step"}
USUAL = re.compile(r"(=True|=False|[a-z0-9_(=., )])*")  # labels that a file name tells apart
NARROW_IN = 4.0  # a figure of one column: its panels stand one below the other
DECADE = (1, 2, 5)  # ticks of each

INK, FAINT, GRID = "#1f2328", "#59636e", "#e4e8ed"
EXACT, TRIVIAL = "#0b62b0", "#6e7781"  # exactly equivariant networks, predictors without weights
FREE = ("#b54708", "#0f7a43", "#a2328a", "#6b4fbb", "#7d5a00", "#00737a", "#b3261e")
COLOURS = (EXACT, *FREE, INK)  # of what is no network: methods, modes

STYLE = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": "medium",
    "grid.color": GRID,
    "legend.frameon": False,
    "figure.figsize": (4.4, 3.4),
    "figure.dpi": 160,
    "pdf.fonttype": 42,
    "svg.hashsalt": "remul",  # else its identifiers are random
}
COLUMN = STYLE | {
    "font.size": 8,
    "figure.figsize": (3.35, 2.5),
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@dataclass(frozen=True)
class Look:
    """How figures are drawn, in which folder below root/figures, and whether with a title."""

    folder: str
    titled: bool
    settings: dict[str, Any]
    without: tuple[str, ...] = ()  # plots that say what a table beside them says


SCREEN = Look("", True, STYLE)
PAPER = Look("paper", False, COLUMN)
TEXT = {"svg.fonttype": "none"}  # its text stays text
PAGE = Look("page", False, COLUMN | TEXT, without=("time", "axes"))

Row = dict[str, Any]
Rows = list[Row]


def network_colour(name: str, exact: bool, trivial: bool = False) -> str:
    """Return the colour of a network's family: exact ones share one, each backbone has its own."""
    if exact:
        return TRIVIAL if trivial else EXACT
    known = [n for n in plugins.names("models") if not plugins.claims_equivariance(n)]
    own = len(known) + crc32(name.encode()) % (len(FREE) - len(known))
    return FREE[(known.index(name) if name in known else own) % len(FREE)]


def row_colour(row: pd.Series | Row) -> str:
    """Return the colour of a row of a task's table."""
    return network_colour(row["network"], bool(row["equivariant"]), bool(row["trivial"]))


def panels(count: int, height: float = 1.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels side by side, one below the other where it is narrow."""
    width_in, height_in = mpl.rcParams["figure.figsize"]
    rows, columns = (count, 1) if width_in < NARROW_IN else (1, count)
    size = (width_in * columns, height * height_in * rows)
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def family(row: pd.Series) -> str:
    """Return model and method without options: what has one look."""
    method, plus, after = row["method"].partition(AND)
    return f"{row['network']} {bare(method)}{plus}{after}"


def marker(method: str) -> tuple[str, str]:
    """Return the marker of a method, and how it is filled: by what was done after training."""
    trained, _, after = method.partition(AND)
    return MARKERS.get(bare(trained), "X"), FILLS.get(after, "right")


def line(method: str) -> Any:  # noqa: ANN401 - a name or dashes
    """Return the line of a method, without its options."""
    return LINES.get(bare(method), "-")


def bare(label: str) -> str:
    """Return a plug-in's name without its options."""
    return label.partition("(")[0]


def short_names(table: pd.DataFrame) -> pd.Series:
    """Return model and method of each row, and the steps if they are not those of most rows."""
    names = [shorten(f"{row.model} {row.method}") for row in table.itertuples()]
    return pd.Series(names, table.index, object) + note_steps(table)


def note_steps(table: pd.DataFrame) -> pd.Series:
    """Return what a name says of each row's steps: nothing if they are those of most rows."""
    usual = table["steps"].mode()[:1].tolist()
    notes = ["" if steps in usual else f", {_count(steps)}" for steps in table["steps"]]
    return pd.Series(notes, table.index, object)


def _count(steps: int) -> str:
    return f"{steps // 1000}k" if steps % 1000 == 0 else f"{steps:,} steps"


def shorten(text: str) -> str:
    """Return a row's name without plain and the names of options, but of those that are on."""
    text = re.sub(r"\w+=", "", text.replace("=True", "")).replace(" plain", "")
    for long, short in SHORT.items():
        text = text.replace(long, short)
    return verbatim(text)


def verbatim(text: str) -> str:
    """Return the text so that matplotlib draws it as it is, and reads no formula in it."""
    return text.replace("$", r"\$")


def bars(rows: pd.DataFrame, score: str, scale: float = 1.0) -> pd.Series:
    """Return the standard deviations, kept from reaching zero on a logarithmic axis."""
    return scale * rows[f"{score}_std"].clip(upper=0.9 * rows[score])


class _DecadeLocator(LogLocator):
    """Ticks at steps of each decade; where fewer than two are seen, at 1, 2 and 5, or even ones."""

    def tick_values(self, vmin: float, vmax: float) -> np.ndarray:
        """Return the places of the ticks."""
        for locator in (super(), LogLocator(subs=DECADE)):
            ticks = np.asarray(locator.tick_values(vmin, vmax))
            if ((vmin <= ticks) & (ticks <= vmax)).sum() > 1:
                return ticks
        return np.asarray(AutoLocator().tick_values(vmin, vmax))


def set_plain_ticks(axis: Axis, *steps: int) -> None:
    """Set ticks at 1, 2 and 5 of each decade, or at other steps of it, as plain numbers."""
    axis.set_major_locator(_DecadeLocator(subs=steps or DECADE))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def slug(label: str) -> str:
    """Return the label as a part of file names, with a digest where more than marks is lost."""
    words = re.sub(r"[^a-z0-9_]+", "-", label.lower()).strip("-")
    return words if USUAL.fullmatch(label) else f"{words}-{crc32(label.encode()):08x}".strip("-")


def bare_name(row: Row) -> str:
    """Return the model of a row of the speed grid, without its options."""
    return bare(row["model"])


def palette(rows: Rows) -> dict[str, str]:
    """Return the colour of each model, in order of name."""
    return {
        row["model"]: network_colour(bare_name(row), row["equivariant"])
        for row in sorted(rows, key=bare_name)
    }


def head(figure: Figure, words: str, title: str) -> None:
    """Put what a figure shows above the figure, and below it of what."""
    figure.suptitle(f"{words}\n{title}", fontsize="medium")
