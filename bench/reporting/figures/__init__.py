"""Figures from records alone, one file for each; the only place for matplotlib."""

from pathlib import Path
from typing import Any

import pandas as pd

from bench.records.run_record import RunRecord
from bench.reporting.aggregate import TIMINGS, baseline, frame, summary
from bench.reporting.figures.beta import against_beta
from bench.reporting.figures.drawing import Drawing, Plot, draw_file
from bench.reporting.figures.loss_surface import read_surfaces, surface
from bench.reporting.figures.pareto import pareto
from bench.reporting.figures.penalty_traces import penalty_traces, read_traces
from bench.reporting.figures.profiles import mean_profiles, pose_shift
from bench.reporting.figures.style import slug
from bench.reporting.figures.times import times, timings

PLOTS = (
    Plot(
        "pareto",
        pareto,
        "Mean squared error against equivariance error E', a panel for each split: lower is more "
        "accurate, further left more nearly equivariant. A point for each row of the table; its "
        "colour is the network, its marker the method, its bars one standard deviation over seeds.",
    ),
    Plot(
        "beta",
        against_beta,
        "Mean squared error (left) and equivariance error E' (right) of networks trained with "
        "REMUL against the weight beta of the penalty; 0 is plain training. Dashed lines: the same "
        "network with augmentation; dotted ones: the most accurate equivariant network.",
    ),
    Plot(
        "time",
        times,
        "Time of a training step and of inference on one batch, in milliseconds: shorter is "
        "faster. Colours are those of the networks in the first figure; a C marks a time that was "
        "disturbed and is compared with none.",
    ),
    Plot(
        "surface",
        surface,
        "The loss around trained networks: along one random direction (left), and in the plane of "
        "two, a map for each network in one scale of colours. The cross is the trained network; "
        "steps are in norms of its filters.",
    ),
    Plot(
        "pose_shift",
        pose_shift,
        "Left: equivariance error E' against the angle of the rotation. Right: how the output, as "
        "a function of the rotation, shares its energy among degrees l; all in l = 0 is exactly "
        "equivariant. The most accurate row of each network and method.",
    ),
    Plot(
        "penalty_traces",
        penalty_traces,
        "The penalty in training, of one seed: its weight beta over that of the fit, the error of "
        "the fit, and the equivariance error that is penalised, a line for each method.",
    ),
)


def draw_figures(
    root: Path, records: list[RunRecord], form: str = "png", task: str | None = None
) -> dict[str, list[Drawing]]:
    """Draw what changed of the figures of every task, or of one, under root/figures, by task."""
    if not records:
        return {}
    data = frame(records)
    shown = data[(data["status"] == "done") & (data["name"].eq(task) | (task is None))]
    drawings = {}
    for label, part in shown.groupby("task"):
        rows = _rows(root, records, label, summary(part.dropna(axis="columns", how="all")))
        stem = root / "figures" / slug(label)
        files = [draw_file(plot, rows[plot.name], label, stem, form) for plot in PLOTS]
        drawings[label] = [drawing for drawing in files if drawing]
    return drawings


def _rows(root: Path, records: list[RunRecord], label: str, table: pd.DataFrame) -> dict[str, Any]:
    """Return what each plot shows; scores without times, so that new times redraw times alone."""
    best = baseline(table)
    scores = table.drop(columns=[*TIMINGS, "session"])
    scores["baseline"] = scores.index == (None if best is None else best.name)
    return {
        "pareto": scores,
        "beta": scores,
        "time": timings(table),
        "surface": read_surfaces(root, records, label),
        "pose_shift": mean_profiles(table, records),
        "penalty_traces": read_traces(root, records, label),
    }
