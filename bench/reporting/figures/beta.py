"""Errors against the weight of the equivariance loss."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bench.reporting.aggregate import AND
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import (
    EXACT,
    MARKERS,
    note_steps,
    panels,
    row_colour,
    set_plain_ticks,
    shorten,
)

MSE = ("mse_test", "-", ""), ("mse_ood", "--", " OOD")  # a curve, its line, the end of its name
EQUIVARIANCE = ("expected_error_test", "-", " E'"), ("mean_error_test", ":", " E")
MOST = 3  # models and penalties that are shown
ERRORS = (("MSE x 1e3", 1e3, MSE), ("equivariance error", 1.0, EQUIVARIANCE))


def against_beta(table: pd.DataFrame, title: str) -> Figure | None:
    """Return errors of each model and penalty against beta, 0 being plain training, and rivals."""
    table = table.assign(note=note_steps(table))
    swept = sweep_beta(table)
    if swept.empty:
        return None
    figure, axes = panels(2)
    betas = sorted({0.0, *swept["beta"]})
    for ax, (words, scale, curves) in zip(axes, ERRORS, strict=True):
        labels = []
        for score, dashes, what in (curve for curve in curves if curve[0] in table):
            for (_, mode), rows in swept.groupby(["model", "mode"]):
                labels.append(_curve(ax, rows, mode, score, scale, dashes, what))
            labels += _rivals(ax, table, swept, score, scale, dashes, what)
        ax.set(yscale="log", xlabel="beta (0: plain training)", title=words)
        ax.set_xscale("symlog", linthresh=betas[1])
        ax.set_xlim(-0.3 * betas[1], 2 * betas[-1])
        ax.set_xticks(betas, [f"{beta:g}" for beta in betas])
        ax.xaxis.set_minor_locator(NullLocator())
        set_plain_ticks(ax.yaxis)
        label_ends(ax, labels)
    figure.suptitle(title)
    return figure


def sweep_beta(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of models with a penalty of several betas, at the commonest steps, by beta.

    The commonest of plain rows and of those; of several the largest number of steps.
    Of many the most accurate: each has a name for each of four curves beside the panels.
    `mode` is the penalty's name; plain rows, of beta 0, belong to each mode.
    """
    split = table["method"].map(split_method)
    rows = table.assign(mode=split.str[0], beta=split.str[1]).dropna(subset="beta")
    parts: list[pd.DataFrame] = []
    for (model, mode), own in rows[rows["beta"] > 0].groupby(["model", "mode"]):
        plain = rows[(rows["model"] == model) & (rows["beta"] == 0)].assign(mode=mode)
        both = pd.concat([plain, own])
        steps = both["steps"][both["steps"].isin(own["steps"])].mode().max()
        if own["beta"][own["steps"] == steps].nunique() > 1:
            both = both[both["steps"] == steps]
            parts.append(both.drop_duplicates("beta").sort_values("beta"))
    parts.sort(key=lambda part: part["mse_test"].min())
    return pd.concat(parts[:MOST]) if parts else rows.iloc[:0]


def split_method(method: str) -> tuple[str, float | None]:
    """Return a penalty's name and beta, if beta is all that is set of it; plain has beta 0."""
    name, _, options = method.removesuffix(")").partition("(")
    key, _, value = options.partition("=")
    if AND in method or name == "plain":
        return name, None if AND in method else 0.0
    try:
        return name, float(value) if key == "beta" else None
    except ValueError:  # a word, or more options
        return name, None


def _curve(
    ax: Axes, rows: pd.DataFrame, mode: str, score: str, scale: float, dashes: str, what: str
) -> Label:
    last, colour = rows.iloc[-1], row_colour(rows.iloc[-1])
    y, deviation = scale * rows[score], scale * rows[f"{score}_std"].fillna(0)
    ax.errorbar(
        rows["beta"], y, deviation.clip(upper=0.9 * y), linestyle=dashes, color=colour, capsize=1.5,
        marker=MARKERS.get(mode, "X"), markersize=3.5,
    )  # fmt: skip
    name = shorten(f"{last['model']} {mode}")
    return Label(last["beta"], y.iloc[-1], f"{name}{last['note']}{what}", colour)


def _rivals(
    ax: Axes, table: pd.DataFrame, swept: pd.DataFrame, score: str, scale: float, dashes: str,
    what: str,
) -> list[Label]:  # fmt: skip
    """Draw augmentation of the same models and lengths, and the best exact row, as level lines."""
    steps = swept["steps"].iloc[0]
    same = table["model"].isin(swept["model"]) & (table["method"] == "augment")
    lines = [
        (row, row_colour(row)) for _, row in table[same & (table["steps"] == steps)].iterrows()
    ]
    if score.startswith("mse"):  # an exact row's equivariance error is 0
        lines += [(row, EXACT) for _, row in table[table["baseline"]].iterrows()]
    labels, right = [], 2 * swept["beta"].max()
    for row, colour in lines:
        ax.axhline(scale * row[score], color=colour, linestyle=dashes, linewidth=0.7, alpha=0.7)
        name = shorten(f"{row['model']} {row['method']}")
        labels.append(Label(right, scale * row[score], f"{name}{row['note']}{what}", colour))
    return labels
