"""Time of a training step and of inference."""

import pandas as pd
from matplotlib.figure import Figure

from bench.reporting import formats
from bench.reporting.figures.style import colours, family, name

KINDS = {"train_step": "training step", "inference": "inference"}


def timings(table: pd.DataFrame) -> pd.DataFrame:
    """Return the times of a table's rows, and how they are written."""
    rows = table[["network", "model", "method", "steps"]].copy()
    for kind in (f"{kind}_ms" for kind in KINDS):
        rows[kind] = table[kind]
        rows[f"{kind}_text"] = [formats.number(row, kind) for row in table.to_dict("records")]
    return rows


def times(table: pd.DataFrame, title: str) -> Figure | None:
    """Return median times of a training step and of inference, a bar for each row."""
    timed = table.dropna(subset="train_step_ms").iloc[::-1]
    if timed.empty:
        return None
    figure = Figure(figsize=(8.4, 1.2 + 0.3 * len(timed)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    names = [name(row, table) for _, row in timed.iterrows()]
    palette = colours(table)
    shades = [palette[family(row)] for _, row in timed.iterrows()]
    for ax, (kind, words) in zip(axes, KINDS.items(), strict=True):
        bars = ax.barh(range(len(timed)), timed[f"{kind}_ms"], color=shades)
        ax.bar_label(bars, timed[f"{kind}_ms_text"], padding=3, fontsize=8)
        ax.set(title=words, xlabel="ms (median, one batch; C: disturbed)")
        ax.margins(x=0.15, y=0.01)
        ax.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(timed)), names)
    figure.suptitle(title)
    return figure
