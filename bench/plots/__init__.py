"""Figures from records alone, one file for each; the only place for matplotlib."""

import re
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from bench.plots import speed as speed
from bench.plots.beta import against_beta
from bench.plots.pareto import pareto
from bench.plots.profiles import pose_shift
from bench.plots.style import STYLE
from bench.plots.surface import surface, surfaces
from bench.plots.times import times
from bench.plots.traces import penalty_traces
from bench.records import Record
from bench.tables import frame, summary

UNDATED = {"png": {"Software": None}, "pdf": {"CreationDate": None}}
FIGURES: dict[str, Callable[[pd.DataFrame, str], Figure | None]] = {
    "pareto": pareto,
    "beta": against_beta,
    "time": times,
}


def write(root: Path, found: list[Record]) -> dict[str, list[Path]]:
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


def slug(label: str) -> str:
    """The label as a part of file names."""
    return re.sub(r"[^a-z0-9_]+", "-", label.lower()).strip("-")


def save(figure: Figure, stem: Path) -> list[Path]:
    """Writes a figure as PNG and PDF, without a date."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    files = [stem.with_name(f"{stem.name}.{form}") for form in UNDATED]
    for file, metadata in zip(files, UNDATED.values(), strict=True):
        figure.savefig(file, dpi=160, metadata=metadata)
    return files
