"""Errors against the number of fixed turned copies of each training sample."""

import re
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bench.records.run_record import RunRecord
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import (
    COLOURS,
    EXACT,
    panels,
    row_colour,
    set_plain_ticks,
    shorten,
)

COPIES = re.compile(r"augment\(copies=(\d+)\)")
ERRORS = (("mse_test", 1e3, "MSE x 1e3"), ("expected_error_test", 1.0, "equivariance error E'"))
Curve = dict[str, Any]


def read_pose_errors(table: pd.DataFrame, records: list[RunRecord]) -> list[Curve]:
    """Return the errors of a table's rows by angle to the nearest training pose, by network and
    copies.
    """
    methods = dict(table[["key", "method"]].to_numpy())
    curves: dict[tuple[str, int], list[pd.Series]] = {}
    for record in records:
        copies = COPIES.fullmatch(methods.get(record.key, ""))
        known = record.profiles and record.profiles.error_by_pose
        if known and copies:
            curve = pd.Series(record.profiles.error_by_pose, record.profiles.pose_deg)
            curves.setdefault((record.run.model.stem, int(copies[1])), []).append(curve)
    means = {key: pd.concat(seeds, axis=1).mean(axis=1) for key, seeds in sorted(curves.items())}
    return [
        {"network": network, "copies": copies, "deg": [*curve.index], "error": [*curve]}
        for (network, copies), curve in means.items()
    ]


def budget(rows: dict[str, Any], title: str) -> Figure | None:
    """Return accuracy and E' against the copies, rivals as level lines, and errors by pose."""
    table, curves = rows["table"], rows["curves"]
    copies = table["method"].map(_count)
    swept = table[copies > 0].assign(copies=copies[copies > 0]).sort_values("copies")
    if swept["copies"].nunique() < 2:
        return None
    figure, axes = panels(3 if curves else 2)
    for ax, (score, scale, words) in zip(axes, ERRORS, strict=False):
        labels = _rivals(ax, table, swept, score, scale)
        for network, own in swept.groupby("network"):
            colour, y = row_colour(own.iloc[0]), scale * own[score]
            bars = (scale * own[f"{score}_std"].fillna(0)).clip(upper=0.9 * y)
            ax.errorbar(own["copies"], y, bars, color=colour, marker="o", markersize=3.5)
            labels.append(Label(own["copies"].iloc[-1], y.iloc[-1], f"{network} copies", colour))
        ax.set(xscale="log", yscale="log", xlabel="turned copies of each sample", title=words)
        ax.set_xticks(sorted({*swept["copies"]}), [f"{int(k)}" for k in sorted({*swept["copies"]})])
        ax.xaxis.set_minor_locator(NullLocator())
        set_plain_ticks(ax.yaxis)
        label_ends(ax, labels)
    if curves:
        _draw_poses(axes[2], curves)
    figure.suptitle(title)
    return figure


def _count(method: str) -> int:
    found = COPIES.fullmatch(method)
    return int(found[1]) if found else 0


def _rivals(
    ax: Axes, table: pd.DataFrame, swept: pd.DataFrame, score: str, scale: float
) -> list[Label]:
    """Draw the same networks under other methods and lengths alike, and the best exact row."""
    alike = table["network"].isin(swept["network"]) & (table["steps"] == swept["steps"].iloc[0])
    others = alike & ~table.index.isin(swept.index)
    lines = [(row, row_colour(row)) for _, row in table[others].iterrows()]
    if score.startswith("mse"):  # an exact row's equivariance error is 0
        lines += [(row, EXACT) for _, row in table[table["baseline"]].iterrows()]
    labels = []
    for row, colour in lines:
        ax.axhline(scale * row[score], color=colour, linestyle="--", linewidth=0.7, alpha=0.7)
        name = shorten(f"{row['model']} {row['method']}")
        labels.append(Label(swept["copies"].max(), scale * row[score], name, colour))
    return labels


def _draw_poses(ax: Axes, curves: list[Curve]) -> None:
    ax.set(yscale="log", xlabel="angle to the nearest training pose, degrees")
    labels = []
    for colour, curve in zip(COLOURS, curves, strict=False):
        ax.plot(curve["deg"], curve["error"], color=colour)
        words = f"{curve['copies']} cop{'y' if curve['copies'] == 1 else 'ies'}"
        labels.append(Label(curve["deg"][-1], curve["error"][-1], words, colour))
    ax.set_title("error on training samples")
    label_ends(ax, labels)
