"""What the figures share: look, colours, markers, names, bars and legends."""

import re
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from bench.reporting.aggregate import AND

SPLITS = {"test": "in distribution", "ood": "out of distribution"}
MARKERS = {"plain": "o", "augment": "s", "remul": "D", "ramp": "^", "gradnorm": "v", "dual": "P"}
LINES = {"plain": "-", "augment": "--", "remul": "-.", "ramp": ":", "gradnorm": (0, (5, 1, 1, 1)),
         "dual": (0, (1, 3))}  # fmt: skip
FILLS = {"": "full", "frame_average": "none", "canonicalise": "left"}
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999",
    "#882255", "#117733", "#332288", "#aa4499", "#ddcc77", "#88ccee", "#661100", "#6699cc",
)  # fmt: skip
SPEED_KINDS = {"inference": "inference", "train_step": "training step"}
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.frameon": False,
    "figure.dpi": 160,
    "pdf.fonttype": 42,
    "svg.hashsalt": "remul",  # else its identifiers are random
}

Row = dict[str, Any]
Rows = list[Row]


def family(row: pd.Series) -> str:
    """Return model and method without options: what has one look."""
    method, plus, after = row["method"].partition(AND)
    return f"{row['network']} {_bare(method)}{plus}{after}"


def colours(table: pd.DataFrame) -> dict[str, str]:
    """Return a colour for each family of rows: that of its network."""
    networks = list(dict.fromkeys(table["network"]))
    return {
        family(row): COLOURS[networks.index(row["network"]) % len(COLOURS)]
        for _, row in table.iterrows()
    }


def marker(method: str) -> dict[str, str]:
    """Return the marker of a method, filled by what was done after training."""
    trained, _, after = method.partition(AND)
    return {"fmt": MARKERS.get(_bare(trained), "X"), "fillstyle": FILLS.get(after, "right")}


def line(method: str) -> Any:  # noqa: ANN401 - a name or dashes
    """Return the line of a method, without its options."""
    return LINES.get(_bare(method), "-")


def _bare(method: str) -> str:
    return method.partition("(")[0]


def name(row: pd.Series, table: pd.DataFrame) -> str:
    """Return model and method, and the steps where they tell two rows apart."""
    alike = table[(table["model"] == row["model"]) & (table["method"] == row["method"])]
    steps = f", {row['steps']} steps" if len(alike) > 1 else ""
    return f"{row['model']} {row['method']}{steps}"


def bar(row: pd.Series, score: str, scale: float = 1.0) -> float | None:
    """Return the standard deviation, kept from reaching zero on a logarithmic axis."""
    deviation = row[f"{score}_std"]
    return None if pd.isna(deviation) else scale * min(deviation, 0.9 * row[score])


def set_plain_ticks(ax: Axes) -> None:
    """Set ticks at 1, 2 and 5 of each decade, written as plain numbers."""
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def legend(figure: Figure, ax: Axes) -> None:
    """Add one legend for all panels beside them, a line for each name; the figure grows with it."""
    named = {name: handle for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.set_figheight(max(figure.get_figheight(), 0.2 * len(named)))
    figure.legend(named.values(), named.keys(), loc="outside right upper", fontsize=8)


def slug(label: str) -> str:
    """Return the label as a part of file names."""
    return re.sub(r"[^a-z0-9_]+", "-", label.lower()).strip("-")


def bare_name(row: Row) -> str:
    """Return the model of a row of the speed grid, without its options."""
    return _bare(row["model"])


def palette(rows: Rows) -> dict[str, str]:
    """Return the colour of each model, in order of name."""
    return {row["model"]: row["colour"] for row in sorted(rows, key=bare_name)}


def head(figure: Figure, words: str, title: str) -> None:
    """Put what a figure shows above the figure, and below it of what."""
    figure.suptitle(f"{words}\n{title}", fontsize="medium")
