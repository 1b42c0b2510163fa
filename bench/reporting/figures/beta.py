"""Errors against the weight of the equivariance loss."""

import re
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bench.reporting.figures.style import COLOURS, SPLITS, legend, set_plain_ticks


def against_beta(table: pd.DataFrame, title: str) -> Figure | None:
    """Return errors of each model trained with REMUL against beta, plain at 0, rivals as lines."""
    swept = table.assign(beta=table["method"].map(_beta)).dropna(subset="beta")
    betas_of = swept[swept["beta"] > 0].groupby("model")["beta"].nunique()
    swept = swept[swept["model"].isin(betas_of[betas_of > 1].index)]
    if swept.empty:
        return None
    palette = cycle(COLOURS)
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for model, rows in swept.groupby("model"):
        steps = rows["steps"].mode().max()  # the length with most betas
        rows = rows[rows["steps"] == steps].sort_values("beta")
        splits = {split: words for split, words in SPLITS.items() if f"mse_{split}" in table}
        for (split, words), colour in zip(splits.items(), palette, strict=False):
            for ax, kind, scale in ((left, "mse", 1e3), (right, "expected_error", 1.0)):
                score = f"{kind}_{split}"
                _curve(ax, rows, score, scale, color=colour, label=f"{model}, {words}")
                for rival, line in _rivals(table, model, steps):
                    name = f"{rival['model']} {rival['method']}, {words}"
                    style = {"color": colour, "linestyle": line, "linewidth": 1.2}
                    ax.axhline(scale * rival[score], label=name, **style)
    betas = sorted(set(swept["beta"]))
    for ax, words in ((left, "mean squared error x 1e3"), (right, "equivariance error E'")):
        ax.set(yscale="log", xlabel="beta (0: plain training)", ylabel=words)
        ax.set_xscale("symlog", linthresh=betas[1])
        ax.set_xlim(-0.3 * betas[1], 2 * betas[-1])
        ax.set_xticks(betas, [f"{beta:g}" for beta in betas])
        ax.xaxis.set_minor_locator(NullLocator())
    set_plain_ticks(left)
    legend(figure, left)
    figure.suptitle(title)
    return figure


def _beta(method: str) -> float | None:
    """Return the beta of a constant penalty with alpha = 1; plain training has beta = 0."""
    constant = re.fullmatch(r"remul\(beta=([\d.e+-]+)\)", method)
    return float(constant[1]) if constant else 0.0 if method == "plain" else None


def _curve(ax: Axes, rows: pd.DataFrame, score: str, scale: float, **style: str) -> None:
    y, deviation = scale * rows[score], scale * rows[f"{score}_std"].fillna(0)
    ax.errorbar(rows["beta"], y, deviation, fmt="-D", capsize=2, **style)


def _rivals(table: pd.DataFrame, model: str, steps: int) -> list[tuple[pd.Series, str]]:
    """Return augmentation of the same model and length, dashed, and the baseline, dotted."""
    same = (table["model"] == model) & (table["steps"] == steps) & (table["method"] == "augment")
    lines = ((table[same], "--"), (table[table["baseline"]], ":"))
    return [(row, line) for rows, line in lines for _, row in rows.iterrows()]
