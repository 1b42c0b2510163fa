"""What the penalties do in training: weights and terms against the steps."""

import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.records.run_record import RunRecord
from bench.records.run_store import RunStore
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import COLOURS, panels, set_plain_ticks, shorten

PANELS = {"beta": "beta / alpha", "fit": "fit term", "equivariance": "equivariance term"}
SMOOTH = 5  # points of a curve that are averaged


def read_traces(root: Path, table: pd.DataFrame, records: list[RunRecord]) -> dict[str, Any] | None:
    """Return curves of the penalty by method, of the first seed of every method but plain ones.

    Of one network, trained for one number of steps: the one with most curves.
    """
    groups = _curves(root, table, records)
    if not groups:
        return None
    (model, steps), curves = max(groups.items(), key=lambda group: (len(group[1]), group[0]))
    return {"run": f"{model}, {steps:,} steps", "curves": dict(sorted(curves.items()))}


def penalty_traces(traces: dict[str, Any] | None, title: str) -> Figure | None:
    """Return beta over alpha and both terms against the steps, a line for each method."""
    if traces is None:
        return None
    figure, axes = panels(len(PANELS))
    ends: dict[str, list[Label]] = {column: [] for column in PANELS}
    for colour, (method, curve) in zip(cycle(COLOURS), traces["curves"].items(), strict=False):
        curve = curve.assign(beta=curve["beta"] / curve["alpha"].where(curve["alpha"] > 0))
        for ax, column in zip(axes, PANELS, strict=True):
            values = curve[column].rolling(SMOOTH, min_periods=1).mean()
            ax.plot(curve["step"], values, color=colour, linewidth=1.0)
            seen = values[values > 0]
            if len(seen):
                end = curve["step"][seen.index[-1]], seen.iloc[-1]
                ends[column].append(Label(*end, shorten(method), colour))
    for ax, (column, words) in zip(axes, PANELS.items(), strict=True):
        ax.set(xlabel="step", title=words, yscale="log")
        set_plain_ticks(ax.yaxis, 1)
        label_ends(ax, ends[column])
    figure.suptitle(f"{title}: {traces['run']}")
    return figure


def _curves(
    root: Path, table: pd.DataFrame, records: list[RunRecord]
) -> dict[tuple[str, int], dict[str, pd.DataFrame]]:
    """Return the curves of a table's rows by network and steps, and by method."""
    groups: dict[tuple[str, int], dict[str, pd.DataFrame]] = {}
    rows = table.set_index("key")
    for record in records:
        run = record.run
        ours = run.seed == 0 and not run.surface
        both = record.penalty and record.penalty.alpha and record.penalty.beta
        if ours and both and run.symmetrise == "none" and record.key in rows.index:
            curve = _read(RunStore(root).curve_path(run, record.key))
            if curve is not None:
                row = rows.loc[record.key]
                groups.setdefault((row["label"], run.steps), {})[row["method"]] = curve
    return groups


def _read(file: Path) -> pd.DataFrame | None:
    """Return the curve in a file; None, and a line that names it, if it is none."""
    try:
        if not file.is_file():
            raise OSError
        return pd.read_csv(file, dtype=float)[["step", "alpha", *PANELS]].dropna(subset="alpha")
    except (OSError, KeyError, ValueError):
        print(f"skipped: {file}: not a curve", file=sys.stderr)
        return None
