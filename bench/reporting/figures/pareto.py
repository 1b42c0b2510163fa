"""What accuracy costs: mean squared error against time, and against equivariance error."""

from itertools import pairwise
from math import sqrt

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from bench.reporting.aggregate import is_exact, keep_usual
from bench.reporting.comparisons import find_front
from bench.reporting.figures.labels import Box, Label, label_ends, label_points
from bench.reporting.figures.style import (
    DECADE,
    FAINT,
    GRID,
    SPEED_KINDS,
    SPLITS,
    bars,
    marker,
    panels,
    row_colour,
    set_plain_ticks,
    short_names,
)

ALONE = 1e-5  # the place of exact rows that no other stands beside
CROWD = 40  # rows of a panel, beyond which the beaten ones have neither bars nor names
NAMED = 4  # exact rows, the most accurate, that a crowd has names for
FEWEST = 2  # rows that a figure compares
ROOM, SPAN = 1.25, 5.0  # factors from points to the ends of an axis of times, and between these
DULL = "#9aa3ad"  # of rows that another one beats in both


def front(table: pd.DataFrame, title: str) -> Figure | None:
    """Return mean squared error against the time of inference and of a step, of several rows."""
    table = _leave_out_disturbed(table)
    shown = {f"{kind}_ms": words for kind, words in SPEED_KINDS.items() if f"{kind}_ms" in table}
    shown = {name: words for name, words in shown.items() if table[name].notna().any()}
    table = table[~table["trivial"].eq(True)]
    if not shown or len(table) < FEWEST:
        return None
    split = "ood" if "mse_ood" in table else "test"
    table = _choose(table)
    figure, axes = panels(len(shown))
    _set_errors(axes, table, [f"mse_{split}"])
    for ax, (name, words) in zip(axes, shown.items(), strict=True):
        rows = table.dropna(subset=[name, f"mse_{split}"])
        best = set(undominated(rows, name, f"mse_{split}"))
        line = rows.loc[[i for i in rows.index if i in best]].sort_values(name)
        ax.step(line[name], 1e3 * line[f"mse_{split}"], where="post", color=FAINT, linewidth=0.8)
        _points(ax, _in_colour(rows, best), rows[name], f"mse_{split}")
        ax.set(xscale="log", title=words, xlabel="ms for a batch")
        if len(rows):  # of one time, the limits that matplotlib finds can be equal
            ax.set_xlim(*_leave_room(rows[name].min(), rows[name].max()))
        set_plain_ticks(ax.xaxis)
        ax.set_ylabel(f"MSE x 1e3, {SPLITS[split]}")
        set_plain_ticks(ax.yaxis)
        lines = [*_bars(rows, rows[name], f"mse_{split}"), *_steps(line, name, f"mse_{split}")]
        label_points(ax, _labels(rows, rows[name], f"mse_{split}", best), lines)
    figure.suptitle(title)
    return figure


def _leave_out_disturbed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without times of quality C, which decide nothing."""
    kinds = [kind for kind in SPEED_KINDS if f"{kind}_quality" in table]
    kept = {
        f"{kind}_ms": table[f"{kind}_ms"].mask(table[f"{kind}_quality"].eq("C")) for kind in kinds
    }
    return table.assign(**kept)


def _leave_room(low: float, high: float) -> tuple[float, float]:
    """Return the ends of an axis of times, so far apart that 1, 2 and 5 are two ticks or more."""
    half = max(ROOM * sqrt(high / low), sqrt(SPAN))
    return sqrt(low * high) / half, sqrt(low * high) * half


def undominated(table: pd.DataFrame, *costs: str) -> list[int]:
    """Return the index of rows than which no other is smaller in one cost and in none larger."""
    marks = find_front(table[list(costs)].to_numpy(dtype=float), costs)
    return [i for i, mark in zip(table.index, marks, strict=True) if mark]


def pareto(table: pd.DataFrame, title: str) -> Figure | None:
    """Return mean squared error against E', a panel for each split, exact rows at one place.

    In colour is what no other row beats in both, and what no other does that is not exact.
    """
    table = _choose(table)
    splits = [split for split in SPLITS if f"mse_{split}" in table]
    known = {s: table.dropna(subset=[f"expected_error_{s}", f"mse_{s}"]) for s in splits}
    known = {split: rows for split, rows in known.items() if len(rows) >= FEWEST}
    if not known:
        return None
    figure, axes = panels(len(known))
    _set_errors(axes, table, [f"mse_{split}" for split in known])
    for ax, (split, rows) in zip(axes, known.items(), strict=True):
        x, y = f"expected_error_{split}", f"mse_{split}"
        exact = is_exact(rows)
        broken = rows[~exact]
        floor = broken[x].min() / 12 if len(broken) else ALONE
        places = rows[x].mask(exact, floor)
        best = {*undominated(rows.assign(**{x: places}), x, y), *undominated(broken, x, y)}
        ax.axvspan(floor / 1.7, floor * 1.7, color=GRID, zorder=0, linewidth=0)
        _points(ax, _in_colour(rows, best), places, y, x)
        ax.set(xscale="log", title=SPLITS[split], xlabel="equivariance error E'")
        ax.set_ylabel("MSE x 1e3")
        _ticks(ax, floor, broken[x])
        set_plain_ticks(ax.yaxis)
        column = rows[exact & rows["equivariant"].eq(True) & ~rows["trivial"].eq(True)]
        if len(rows) > CROWD:
            column = column.nsmallest(NAMED, y)
            ax.set_ylim(bottom=ax.get_ylim()[0] / 3)  # for names below the best
        spans = [*_bars(broken, places, y), *_level_bars(broken, x, y)]
        others = label_ends(ax, _labels(column, places, y, best), floor * 2, spans)
        free = rows[~exact] if len(rows) <= CROWD else rows[~exact & rows.index.isin([*best])]
        names = _labels(free, places, y, best)
        label_points(ax, names, [*_bars(rows[exact], places, y), *spans], others)
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


def _choose(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to be drawn, with the name, the colour and the marker of each.

    Of a crowd, what more than its method has helped stays out: other figures show it.
    """
    if len(table) > CROWD:
        table = keep_usual(table)
    firsts = table.drop_duplicates("network").to_dict("records")
    colours = table["network"].map({row["network"]: row_colour(row) for row in firsts})
    looks = {"short": short_names(table), "colour": colours, "marker": table["method"].map(marker)}
    return table.assign(**looks)


def _in_colour(rows: pd.DataFrame, best: set[int]) -> pd.DataFrame:
    """Return the rows, those that are beaten without their colour, in a crowd without bars too."""
    shown = rows.index.isin([*best])
    rows = rows.assign(colour=rows["colour"].where(shown, DULL), shown=shown)
    if len(rows) > CROWD:
        rows.loc[~shown, rows.columns.str.endswith("_std")] = np.nan
    return rows


def _points(ax: Axes, rows: pd.DataFrame, places: pd.Series, y: str, x: str = "") -> None:
    """Draw the points that look alike at once."""
    for (shown, look, colour), own in rows.groupby(["shown", "marker", "colour"]):
        across = _known(bars(own, x).mask(is_exact(own))) if x else None
        up = _known(bars(own, y, 1e3))
        fmt, fillstyle = look
        ax.errorbar(
            places[own.index], 1e3 * own[y], up, across, fmt,
            fillstyle=fillstyle, color=colour, capsize=1.5, markersize=4, elinewidth=0.8,
            zorder=3 if shown else 2,
        )  # fmt: skip


def _known(deviations: pd.Series) -> pd.Series | None:
    return None if deviations.isna().all() else deviations


def _labels(rows: pd.DataFrame, places: pd.Series, y: str, best: set[int]) -> list[Label]:
    """Return the names of rows, the most accurate first; of a crowd, of those that none beats."""
    named = rows.loc[rows.index.isin([*best])] if len(rows) > CROWD else rows
    named = named.sort_values(y)
    colours = named["colour"].where(named.index.isin([*best]), FAINT)
    columns = (places[named.index], 1e3 * named[y], named["short"], colours)
    return [Label(*values, i in best) for i, *values in zip(named.index, *columns, strict=True)]


def _bars(rows: pd.DataFrame, places: pd.Series, y: str) -> list[Box]:
    """Return the bars of the errors' spread as lines that no name should cover."""
    spreads = bars(rows, y, 1e3).fillna(0.0)
    return [
        (x, error - spread, x, error + spread)
        for x, error, spread in zip(places[rows.index], 1e3 * rows[y], spreads, strict=True)
    ]


def _level_bars(rows: pd.DataFrame, x: str, y: str) -> list[Box]:
    """Return the same of the spread of another error along the x-axis."""
    spreads = bars(rows, x).fillna(0.0)
    return [
        (place - spread, error, place + spread, error)
        for place, error, spread in zip(rows[x], 1e3 * rows[y], spreads, strict=True)
    ]


def _steps(line: pd.DataFrame, x: str, y: str) -> list[Box]:
    """Return the treads and risers of the front."""
    corners = list(zip(line[x], 1e3 * line[y], strict=True))
    treads = [(a, b, c, b) for (a, b), (c, _) in pairwise(corners)]
    return treads + [(c, b, c, d) for (_, b), (c, d) in pairwise(corners)]


def _between(low: float, high: float, steps: tuple[int, ...]) -> list[float]:
    ticks = [step * 10.0**k for k in range(-12, 4) for step in steps]
    return [tick for tick in ticks if low < tick < high]


def _ticks(ax: Axes, floor: float, errors: pd.Series) -> None:
    """Set ticks of errors beside the one of exact rows, and room for both."""
    high = errors.max() if len(errors) else floor * 10
    shown = _between(floor * 2.5, high * 2, (1,))
    if len(errors) and len(shown) < 2:
        shown = _between(floor * 2.5, high * 2, DECADE)
    ax.xaxis.set_major_locator(FixedLocator([floor, *shown]))
    ax.set_xticklabels(["exact", *[f"{tick:g}" for tick in shown]])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(floor / 1.7, high * 2.2)
