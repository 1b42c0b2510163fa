"""What accuracy costs: mean squared error against time, and against equivariance error."""

from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from bench.reporting.figures.labels import Box, Label, label_ends, label_points
from bench.reporting.figures.style import (
    FAINT,
    GRID,
    SPEED_KINDS,
    SPLITS,
    bar,
    marker,
    panels,
    row_colour,
    set_plain_ticks,
    short_name,
)

ROUND_OFF = 1e-4  # equivariance errors below are of arithmetic, and share one place
DULL = "#9aa3ad"  # of rows that another one beats in both


def front(table: pd.DataFrame, title: str) -> Figure | None:
    """Return mean squared error against the time of inference and of a training step."""
    shown = {f"{kind}_ms": words for kind, words in SPEED_KINDS.items() if f"{kind}_ms" in table}
    shown = {name: words for name, words in shown.items() if table[name].notna().any()}
    table = table[~table["trivial"].eq(True)]
    if not shown or table.empty:
        return None
    split = "ood" if "mse_ood" in table else "test"
    figure, axes = panels(len(shown))
    _set_errors(axes, table, [f"mse_{split}"])
    for ax, (name, words) in zip(axes, shown.items(), strict=True):
        rows = table.dropna(subset=[name, f"mse_{split}"])
        best = set(undominated(rows, name, f"mse_{split}"))
        line = rows.loc[[i for i in rows.index if i in best]].sort_values(name)
        ax.step(line[name], 1e3 * line[f"mse_{split}"], where="post", color=FAINT, linewidth=0.8)
        _points(ax, rows, rows[name], f"mse_{split}", best)
        ax.set(xscale="log", title=words, xlabel="ms for a batch")
        set_plain_ticks(ax.xaxis)
        ax.set_ylabel(f"MSE x 1e3, {SPLITS[split]}")
        set_plain_ticks(ax.yaxis)
        lines = [*_bars(rows, rows[name], f"mse_{split}"), *_steps(line, name, f"mse_{split}")]
        label_points(ax, _labels(rows, rows[name], f"mse_{split}", best, table), lines)
    figure.suptitle(title)
    return figure


def undominated(table: pd.DataFrame, *costs: str) -> list[int]:
    """Return the index of rows than which no other is smaller in one cost and in none larger."""
    values = table[list(costs)]
    return [
        i
        for i, row in values.iterrows()
        if not ((values <= row).all(axis=1) & (values < row).any(axis=1)).any()
    ]


def pareto(table: pd.DataFrame, title: str) -> Figure:
    """Return mean squared error against E', a panel for each split, exact rows at one place."""
    splits = {split: words for split, words in SPLITS.items() if f"mse_{split}" in table}
    figure, axes = panels(len(splits))
    _set_errors(axes, table, [f"mse_{split}" for split in splits])
    for ax, (split, words) in zip(axes, splits.items(), strict=True):
        x, y = f"expected_error_{split}", f"mse_{split}"
        rows = table.dropna(subset=[x, y])
        broken = rows[rows[x] >= ROUND_OFF]
        floor = broken[x].min() / 12 if len(broken) else ROUND_OFF / 10
        places = rows[x].where(rows[x] >= ROUND_OFF, floor)
        best = set(undominated(rows.assign(**{x: places}), x, y))
        ax.axvspan(floor / 1.7, floor * 1.7, color=GRID, zorder=0, linewidth=0)
        _points(ax, rows, places, y, best, x)
        ax.set(xscale="log", title=words, xlabel="equivariance error E'")
        ax.set_ylabel("MSE x 1e3")
        _ticks(ax, floor, broken[x])
        set_plain_ticks(ax.yaxis)
        exact = rows[x] < ROUND_OFF
        column = rows[exact & rows["equivariant"].eq(True) & ~rows["trivial"].eq(True)]
        others = label_ends(ax, _labels(column, places, y, best, table), floor * 2)
        names = _labels(rows[~exact], places, y, best, table)
        label_points(ax, names, _bars(rows, places, y), others)
    figure.suptitle(title)
    return figure


def _set_errors(axes: list[Axes], table: pd.DataFrame, names: list[str]) -> None:
    """Give all panels one axis of errors, before names are placed on it."""
    errors = 1e3 * table[names].to_numpy(dtype=float).ravel()
    errors = errors[errors > 0]
    for ax in axes:
        ax.set_yscale("log")
        if len(errors):
            ax.set_ylim(0.55 * errors.min(), 1.6 * errors.max())


def _points(
    ax: Axes, rows: pd.DataFrame, places: pd.Series, y: str, best: set[int], x: str = ""
) -> None:
    for i, row in rows.iterrows():
        error = bar(row, x) if x and row[x] >= ROUND_OFF else None
        ax.errorbar(
            places[i], 1e3 * row[y], xerr=error, yerr=bar(row, y, 1e3), **marker(row["method"]),
            color=row_colour(row) if i in best else DULL, capsize=1.5, markersize=4, linewidth=0.8,
            zorder=3 if i in best else 2,
        )  # fmt: skip


def _labels(
    rows: pd.DataFrame, places: pd.Series, y: str, best: set[int], table: pd.DataFrame
) -> list[Label]:
    return [
        Label(places[i], 1e3 * row[y], short_name(row, table), _colour(row, i in best), i in best)
        for i, row in rows.sort_values(y).iterrows()
    ]


def _bars(rows: pd.DataFrame, places: pd.Series, y: str) -> list[Box]:
    """Return the bars of the errors' spread as lines that no name should cover."""
    bars = [(places[i], 1e3 * row[y], bar(row, y, 1e3) or 0.0) for i, row in rows.iterrows()]
    return [(x, error - spread, x, error + spread) for x, error, spread in bars]


def _steps(line: pd.DataFrame, x: str, y: str) -> list[Box]:
    """Return the treads and risers of the front."""
    corners = list(zip(line[x], 1e3 * line[y], strict=True))
    treads = [(a, b, c, b) for (a, b), (c, _) in pairwise(corners)]
    return treads + [(c, b, c, d) for (_, b), (c, d) in pairwise(corners)]


def _colour(row: pd.Series, best: bool) -> str:
    return row_colour(row) if best else FAINT


def _ticks(ax: Axes, floor: float, errors: pd.Series) -> None:
    """Set ticks of errors beside the one of exact rows, and room for both."""
    high = errors.max() if len(errors) else floor * 10
    ticks = [10.0**k for k in range(-4, 4)]
    shown = [tick for tick in ticks if floor * 2.5 < tick < high * 2]
    ax.xaxis.set_major_locator(FixedLocator([floor, *shown]))
    ax.set_xticklabels(["exact", *[f"{tick:g}" for tick in shown]])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(floor / 1.7, high * 2.2)
