"""Mean squared error against equivariance error."""

import pandas as pd
from matplotlib.figure import Figure

from bench.reporting.figures.style import (
    SPLITS,
    bar,
    colours,
    family,
    legend,
    marker,
    set_plain_ticks,
)


def pareto(table: pd.DataFrame, title: str) -> Figure:
    """Return mean squared error against E', a panel for each split."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    splits = {split: words for split, words in SPLITS.items() if f"mse_{split}" in table}
    axes = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    palette = colours(table)
    for ax, (split, words) in zip(axes, splits.items(), strict=True):
        for _, row in table.iterrows():
            x, y = f"expected_error_{split}", f"mse_{split}"
            ax.errorbar(
                row[x],
                1e3 * row[y],
                xerr=bar(row, x),
                yerr=bar(row, y, 1e3),
                **marker(row["method"]),
                color=palette[family(row)],
                label=family(row),
                capsize=2,
                markersize=5,
            )
        ax.set(xscale="log", yscale="log", title=words, xlabel="equivariance error E'")
    set_plain_ticks(axes[0])
    axes[0].set_ylabel("mean squared error x 1e3")
    legend(figure, axes[0])
    figure.suptitle(title)
    return figure
