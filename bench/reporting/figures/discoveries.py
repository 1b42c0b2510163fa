"""Which symmetry was found, and at what error, by each way to learn one."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.records.run_record import RunRecord
from bench.reporting.discoveries import KINDS, SCORES, SYSTEMS, tabulate_discoveries
from bench.reporting.figures.drawing import Drawing, Job, Plot, draw_files
from bench.reporting.figures.style import COLOURS, SCREEN, Look, panels

FLOOR = 1e-5  # relative errors below are of arithmetic
LABELS = {
    "equivariance_error_test": "found it? relative error over the group of the map",
    "score_of_least_squares": "error as a share of that of least squares",
}


def draw_discoveries(
    root: Path, records: list[RunRecord], form: str, look: Look = SCREEN
) -> list[Drawing]:
    """Draw what changed of the comparison of a machine's records, if they hold any of it."""
    table = tabulate_discoveries(records)
    stem = root / "figures" / "discovery"
    jobs = [] if table.empty else [Job(PLOT, table, "Which symmetry is it?", stem)]
    return draw_files(jobs, form, look)


def compare_systems(table: pd.DataFrame, title: str) -> Figure:
    """Return a dot for each system and kind of map: hollow from few samples, full from many."""
    figure, axes = panels(2, 1.3)
    for ax, score in zip(axes, SCORES, strict=True):
        for place, system in enumerate(SYSTEMS):
            rows = table[table["system"] == system]
            _dots(ax, rows, score, place, table["samples"].max())
        ax.set(xscale="log", xlabel=LABELS[score])
        ax.set_yticks(range(len(KINDS)), KINDS.values() if ax is axes[0] else [""] * len(KINDS))
        ax.invert_yaxis()
        ax.grid(visible=False, axis="y")
    axes[1].axvline(1.0, color=COLOURS[-1], linewidth=0.6)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(SYSTEMS))
    figure.suptitle(title)
    return figure


def _dots(ax: Axes, rows: pd.DataFrame, score: str, place: int, most: int) -> None:
    """Draw one system's dots, a line below each other's of a kind."""
    heights = [[*KINDS].index(kind) + (place - 2.5) * 0.13 for kind in rows["kind"]]
    for (_, row), height in zip(rows.iterrows(), heights, strict=True):
        full = row["samples"] == most
        ax.errorbar(
            max(row[score], FLOOR), height, xerr=row[f"{score}_std"], fmt="o", markersize=4,
            color=COLOURS[place], fillstyle="full" if full else "none", elinewidth=0.6,
        )  # fmt: skip
    ax.plot([], [], "o", markersize=4, color=COLOURS[place], label=SYSTEMS[place])


PLOT = Plot(
    "systems",
    compare_systems,
    "Linear maps whose symmetry is known, and every way to learn one: the relative error over the "
    "group of the map, small where the symmetry was found, and the squared error of the map over "
    "that of least squares on the same samples. Hollow: from 20 samples, full: from 80; MSR has as "
    "many of each of 1,000 maps. Bars are one standard deviation over seeds.",
)
