"""Figures from records alone, one file for each; the only place for matplotlib."""

from pathlib import Path
from typing import Any

import pandas as pd

from bench.records.run_record import RunRecord
from bench.reporting import tuning
from bench.reporting.aggregate import TIMINGS, baseline, frame, keep_task, summary
from bench.reporting.figures.beta import against_beta
from bench.reporting.figures.budget import budget, read_pose_errors
from bench.reporting.figures.drawing import Drawing, Job, Plot, draw_files
from bench.reporting.figures.energy_drift import energy_drift, read_drifts
from bench.reporting.figures.loss_surface import read_surfaces, surface
from bench.reporting.figures.optimisers import optimisers, read_searches
from bench.reporting.figures.pareto import front, pareto
from bench.reporting.figures.penalty_traces import penalty_traces, read_traces
from bench.reporting.figures.profiles import axes, mean_profiles, pose_shift
from bench.reporting.figures.scaling import scaling
from bench.reporting.figures.style import SCREEN, Look, slug
from bench.reporting.figures.switch import read_settings, switch
from bench.reporting.figures.times import times, timings
from bench.reporting.scaling_laws import read_learners

POINTS = (
    "A point for each row of the table, with bars of one standard deviation over seeds: a circle "
    "for plain training, a square for augmentation, a diamond for REMUL. Blue are exactly "
    "equivariant networks, each other network has its colour; grey rows are beaten in both."
)
PLOTS = (
    Plot(
        "front",
        front,
        "What accuracy costs: mean squared error against the time of inference and of a training "
        f"step. The line is the front: nothing below and more than 5 % left of it. Disturbed "
        f"times are left out. {POINTS}",
    ),
    Plot(
        "pareto",
        pareto,
        "Mean squared error against equivariance error E', for each split: lower is more accurate, "
        "further left more nearly equivariant; exact networks share a place. A circle is "
        "plain training, a square augmentation, a diamond REMUL; grey rows are beaten in both.",
    ),
    Plot(
        "beta",
        against_beta,
        "Mean squared error, and equivariance errors E' (Eq. 9) and E (Eq. 8), of networks trained "
        "with REMUL against the weight beta of the penalty; 0 is plain training. Level lines: the "
        "same network with augmentation, and the most accurate exactly equivariant one.",
    ),
    Plot(
        "time",
        times,
        "Time of a training step and of inference on one batch, in milliseconds: shorter is "
        "faster. A C marks a time that was disturbed and is compared with none.",
    ),
    Plot(
        "surface",
        surface,
        "The loss around trained networks: along one random direction, and in the plane of "
        "two, a map for each network in one scale of colours. The cross is the trained network; "
        "steps are in norms of its filters.",
    ),
    Plot(
        "pose_shift",
        pose_shift,
        "Equivariance error E' against the angle of the rotation, and how the output, a function "
        "of the rotation, shares its energy among degrees l; all in l = 0 is exactly equivariant. "
        "The most accurate row of each method and network that is not exact.",
    ),
    Plot(
        "axes",
        axes,
        "Equivariance error E' under rotations about x, y and z alone, mean and standard deviation "
        "over seeds: the most accurate row of each method and network that is not exact.",
    ),
    Plot(
        "budget",
        budget,
        "Augmentation by a budget: mean squared error and E' of networks trained on so many fixed "
        "turned copies of each sample; level lines are other methods and the most accurate exactly "
        "equivariant network. Right: the error on training samples against the angle to the "
        "nearest pose that they were trained in.",
    ),
    Plot(
        "optimisers",
        optimisers,
        "Mean squared error against the learning rate, a line for each optimiser, a panel for each "
        "network and method; a star marks the rate that validation chooses. All have one budget.",
    ),
    Plot(
        "scaling",
        scaling,
        "Mean squared error against training FLOPs, samples seen and parameters. Points are runs; "
        "the line and its band are the least error that a law a N^-alpha + b D^-beta of parameters "
        "N and samples D, fitted to all runs, has for a compute, and 19 of 20 of its draws of "
        "runs. Right: its exponents, with their bands.",
    ),
    Plot(
        "switch",
        switch,
        "Mean squared error of one network by what it keeps and what it is told: mean and standard "
        "deviation over seeds. Exactly equivariant settings are blue.",
    ),
    Plot(
        "penalty_traces",
        penalty_traces,
        "The penalty in training, of one seed: its weight beta over that of the fit, the error of "
        "the fit, and the equivariance error that is penalised, a line for each method.",
    ),
    Plot(
        "energy_drift",
        energy_drift,
        "Dynamics at constant energy with trained forces, velocity Verlet, from frames of the test "
        "split with velocities at 300 K: how far the total energy per atom is from the first one, "
        "mean over trajectories, a line for each seed. Forces that are minus the gradient of an "
        "energy keep it; forces of their own need not.",
    ),
)


def draw_figures(
    root: Path,
    records: list[RunRecord],
    form: str = "png",
    task: str | None = None,
    look: Look = SCREEN,
) -> dict[str, list[Drawing]]:
    """Draw what changed of the figures of every task, or of one, under root/figures, by task."""
    if not records:
        return {}
    data = frame(records)
    shown = keep_task(data[data["status"] == "done"], task)
    plots = [plot for plot in PLOTS if plot.name not in look.without]
    records_of: dict[str, list[RunRecord]] = {}
    for record in records:
        records_of.setdefault(record.run.task.label, []).append(record)
    jobs = []
    for label, part in shown.groupby("task"):
        rows = _rows(root, records_of[label], part)
        stem = root / "figures" / slug(label)
        jobs += [Job(plot, rows[plot.name], label, stem) for plot in plots]
    drawings: dict[str, list[Drawing]] = {}
    for drawing in draw_files(jobs, form, look):
        drawings.setdefault(drawing.title, []).append(drawing)
    return drawings


def _rows(root: Path, records: list[RunRecord], data: pd.DataFrame) -> dict[str, Any]:
    """Return what each plot of a task shows, of its records and the frame of those that finished.

    Scores have no times beside them, so that new times redraw the figures of times alone.
    """
    table = summary(data.dropna(axis="columns", how="all"))
    best = baseline(table)
    samples = [name for name in TIMINGS if not name.endswith(("_ms", "_quality"))]
    table = table.drop(columns=tuning.COLUMNS, errors="ignore")
    scores = table.drop(columns=[*TIMINGS, "session"])
    scores["baseline"] = scores.index == (None if best is None else best.name)
    profiles = mean_profiles(table, records)
    return {
        "front": table.drop(columns=[*samples, "session"]),
        "pareto": scores,
        "beta": scores,
        "time": timings(table),
        "surface": read_surfaces(root, records),
        "pose_shift": profiles,
        "axes": profiles,
        "budget": {"table": scores, "curves": read_pose_errors(table, records)},
        "optimisers": read_searches(data),
        "scaling": read_learners(records),
        "switch": read_settings(table),
        "penalty_traces": read_traces(root, table, records),
        "energy_drift": read_drifts(table, records),
    }
