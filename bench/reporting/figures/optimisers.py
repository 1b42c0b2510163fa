"""Errors against the learning rate, a line for each optimiser: what tuning is worth."""

from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.records.run_record import RunRecord
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import COLOURS, panels, set_plain_ticks, shorten

Search = dict[str, Any]


def read_searches(records: list[RunRecord]) -> list[Search]:
    """Return the searches over the learning rate of a task, by optimiser, means over seeds."""
    searches: dict[tuple, dict[str, dict[float, list[RunRecord]]]] = {}
    for record in records:
        run = record.run
        if record.status == "done" and run.symmetrise == "none":
            row = searches.setdefault((str(run.model), str(run.method), run.steps), {})
            row.setdefault(run.optimiser, {}).setdefault(run.lr, []).append(record)
    return [
        {"row": f"{model} {method}", "steps": steps, "optimisers": _average(row)}
        for (model, method, steps), row in sorted(searches.items())
        if max(map(len, row.values())) > 1
    ]


def _average(row: dict[str, dict[float, list[RunRecord]]]) -> dict[str, dict[str, list[float]]]:
    """Return rates and errors of each optimiser, those of rates that all seeds have survived."""
    curves = {}
    for optimiser, by_rate in sorted(row.items()):
        rates = sorted(by_rate)
        means = {
            kind: [mean(r.scores[f"mse_{kind}"] for r in by_rate[lr]) for lr in rates]
            for kind in ("val", "test")
        }
        curves[optimiser] = {"lr": rates, **means}
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
