"""Figures from records alone, one file for each; the only place for matplotlib."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from bench.records.run_record import RunRecord
from bench.reporting.aggregate import frame, summary
from bench.reporting.figures.beta import against_beta
from bench.reporting.figures.loss_surface import surface, surfaces
from bench.reporting.figures.pareto import pareto
from bench.reporting.figures.penalty_traces import penalty_traces
from bench.reporting.figures.profiles import pose_shift
from bench.reporting.figures.style import STYLE, save, slug
from bench.reporting.figures.times import times

FIGURES: dict[str, Callable[[pd.DataFrame, str], Figure | None]] = {
    "pareto": pareto,
    "beta": against_beta,
    "time": times,
}


def write(root: Path, found: list[RunRecord]) -> dict[str, list[Path]]:
    """Draws all figures of every task under root/figures and returns the files by task."""
    data = frame(found)
    done = data[data["status"] == "done"]
    files: dict[str, list[Path]] = {}
    for label, part in done.groupby("task"):
        table = summary(part.dropna(axis="columns", how="all"))
        with mpl.rc_context(STYLE):
            figures = {name: draw(table, label) for name, draw in FIGURES.items()}
            figures["surface"] = surface(surfaces(root, found, label), label)
            figures["pose_shift"] = pose_shift(table, found, label)
            figures["penalty_traces"] = penalty_traces(root, found, label)
            stems = {name: root / "figures" / f"{slug(label)}-{name}" for name in figures}
            made = [save(figure, stems[name]) for name, figure in figures.items() if figure]
        files[label] = [file for forms in made for file in forms]
    return files
