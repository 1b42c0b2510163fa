"""Time of a training step and of inference."""

import pandas as pd
from matplotlib.figure import Figure

from bench.reporting import formats
from bench.reporting.figures.style import SPEED_KINDS, panels, row_colour, short_names

MOST = 40  # rows that a figure shows, the most accurate
LOOK = ["network", "model", "method", "steps", "equivariant", "trivial"]


def timings(table: pd.DataFrame) -> pd.DataFrame:
    """Return the times of a table's rows, and how they are written."""
    table = table[table["mse_test"].rank(method="first") <= MOST]
    rows = table[LOOK].copy()
    for kind in (f"{kind}_ms" for kind in SPEED_KINDS):
        rows[kind] = table[kind]
        rows[f"{kind}_text"] = [formats.number(row, kind) for row in table.to_dict("records")]
    return rows


def times(table: pd.DataFrame, title: str) -> Figure | None:
    """Return median times of a training step and of inference, a bar for each row."""
    timed = table.dropna(subset="train_step_ms").iloc[::-1]
    if timed.empty:
        return None
    figure, axes = panels(2, 0.25 + 0.062 * len(timed))
    names = short_names(table)[timed.index]
    shades = [row_colour(row) for _, row in timed.iterrows()]
    for ax, (kind, words) in zip(axes, SPEED_KINDS.items(), strict=True):
        bars = ax.barh(range(len(timed)), timed[f"{kind}_ms"], color=shades)
        ax.bar_label(bars, timed[f"{kind}_ms_text"], padding=2, fontsize=7)
        ax.set(title=words, xlabel="ms (C: disturbed)")
        ax.margins(x=0.15, y=0.01)
        ax.grid(axis="y", visible=False)
        ax.set_yticks(range(len(timed)), names, fontsize=7)
    figure.suptitle(title)
    return figure
