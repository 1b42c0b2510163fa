"""Time of a training step and of inference."""

import pandas as pd
from matplotlib.figure import Figure

from bench.reporting import formats
from bench.reporting.figures.style import colours, family, name

KINDS = {"train_step": "training step", "inference": "inference"}


def times(table: pd.DataFrame, label: str) -> Figure | None:
    """Median time of a training step and of inference, a bar for each row."""
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
        told = [formats.number(row, f"{kind}_ms") for _, row in timed.iterrows()]
        ax.bar_label(bars, told, padding=3, fontsize=8)
        ax.set(title=words, xlabel="ms (median, one batch; C: disturbed)")
        ax.margins(x=0.15, y=0.01)
        ax.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(timed)), names)
    figure.suptitle(label)
    return figure
