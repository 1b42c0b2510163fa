"""Errors against the learning rate, a line for each optimiser: what tuning is worth."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.core.config import OPTIMISERS
from bench.reporting.aggregate import AND
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import COLOURS, panels, set_plain_ticks, shorten

COLUMNS = ["label", "method", "steps", "lr", "seed", "mse_val", "mse_test"]
Search = dict[str, Any]


def read_searches(data: pd.DataFrame) -> list[Search]:
    """Return the searches over the learning rate of a task, by optimiser, means over seeds."""
    data = data.reindex(columns=COLUMNS).dropna()
    parts = [method.partition(AND) for method in data["method"]]
    data = data.assign(
        method=[trained for trained, _, _ in parts],
        optimiser=[after or "adam" for _, _, after in parts],
    )
    data = data[data["optimiser"].isin(OPTIMISERS)]
    searches = [
        {"row": f"{label} {method}", "steps": steps, "optimisers": _average(rows)}
        for (label, method, steps), rows in data.groupby(["label", "method", "steps"])
    ]
    return [s for s in searches if max(len(curve["lr"]) for curve in s["optimisers"].values()) > 1]


def _average(rows: pd.DataFrame) -> dict[str, dict[str, list[float]]]:
    """Return rates and errors of each optimiser, those of rates that all seeds have survived."""
    curves = {}
    for optimiser, own in rows.groupby("optimiser"):
        rates = own.groupby("lr")
        seeds = rates["seed"].nunique()
        means = rates[["mse_val", "mse_test"]].mean()[seeds == seeds.max()]
        curves[optimiser] = {
            "lr": [*means.index],
            "val": [*means["mse_val"]],
            "test": [*means["mse_test"]],
        }
    return curves


def optimisers(searches: list[Search], title: str) -> Figure | None:
    """Return a panel for each network and method; a star marks the rate of least validation."""
    if not searches:
        return None
    figure, axes = panels(len(searches))
    for ax, search in zip(axes, searches, strict=True):
        ax.set(xscale="log", yscale="log", xlabel="learning rate", title=shorten(search["row"]))
        _draw(ax, search)
        set_plain_ticks(ax.yaxis)
    axes[0].set_ylabel("MSE x 1e3")
    figure.suptitle(title)
    return figure


def _draw(ax: Axes, search: Search) -> None:
    labels = []
    for colour, (name, curve) in zip(COLOURS, search["optimisers"].items(), strict=False):
        errors = [1e3 * error for error in curve["test"]]
        ax.plot(curve["lr"], errors, color=colour, marker="o", markersize=3)
        best = curve["val"].index(min(curve["val"]))
        ax.plot(curve["lr"][best], errors[best], "*", color=colour, markersize=9)
        labels.append(Label(curve["lr"][-1], errors[-1], name, colour))
    label_ends(ax, labels)
