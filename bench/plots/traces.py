"""What the penalties do in training: weights and terms against the steps."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bench import records
from bench.config import from_plain
from bench.plots.style import COLOURS, legend
from bench.records import Record
from bench.tables import task_of

PANELS = {"beta": "beta / alpha", "fit": "fit term", "equivariance": "equivariance term"}
SMOOTH = 5  # points of a curve that are averaged


def penalty_traces(root: Path, found: list[Record], label: str) -> Figure | None:
    """beta over alpha and both terms of the first seed of every method but plain ones."""
    curves = _curves(root, found, label)
    if not curves:
        return None
    figure = Figure(figsize=(11.5, 3.6), layout="constrained")
    axes = figure.subplots(1, len(PANELS))
    for number, (method, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        curve = curve.assign(beta=curve["beta"] / curve["alpha"].where(curve["alpha"] > 0))
        for ax, (column, words) in zip(axes, PANELS.items(), strict=True):
            values = curve[column].rolling(SMOOTH, min_periods=1).mean()
            ax.plot(curve["step"], values, color=colour, label=method, linewidth=1.2)
            ax.set(xlabel="step", title=words, yscale="log")
    legend(figure, axes[0])
    figure.suptitle(label)
    return figure


def _curves(root: Path, found: list[Record], label: str) -> dict[str, pd.DataFrame]:
    curves = {}
    for record in found:
        run = from_plain(record["run"])
        file = records.curve_path(root, run)
        ours = str(task_of(run)) == label and run.seed == 0 and not run.surface
        both = record["penalty"].get("alpha") and record["penalty"].get("beta")
        if ours and both and file.exists():
            curves.setdefault(str(run.method), pd.read_csv(file))
    return dict(sorted(curves.items()))
