"""The loss around trained models: along a line, and in the plane of two directions."""

import sys
from math import isfinite
from pathlib import Path
from statistics import median_low

from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from bench.records.run_record import RunRecord, Surface
from bench.records.run_store import RunStore
from bench.reporting.aggregate import method_of, task_of
from bench.reporting.figures.style import COLOURS

LEVELS = 12


def surfaces(root: Path, found: list[RunRecord], label: str) -> dict[str, Surface]:
    """The loss surfaces of a task by model and method; of several seeds, the lowest."""
    runs = [record.run for record in found if record.status == "done"]
    runs = [run for run in runs if run.surface and str(task_of(run)) == label]
    store, made = RunStore(root), {}
    for run in sorted(runs, key=lambda run: (run.model.name, str(run.method), -run.seed)):
        try:
            found = store.read_surface(run)
        except ValueError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        made[f"{Path(run.model.name).stem} {method_of(run)}"] = found
    return made


def surface(named: dict[str, Surface], label: str) -> Figure | None:
    """The lines of all models in one panel, then a contour map of each, in one scale of colours.

    The scale ends where half of the maps do, so that one steep map does not flatten the others.
    """
    losses = {loss for found in named.values() for row in found.plane for loss in row}
    losses = sorted(loss for loss in losses if loss > 0 and isfinite(loss))
    if len(losses) < 2:
        return None
    figure = Figure(figsize=(3.2 + 2.6 * len(named), 3.6), layout="constrained")
    lines, *maps = figure.subplots(1, 1 + len(named), width_ratios=[1.3, *[1] * len(named)])
    ends = [max(filter(isfinite, map(max, found.plane))) for found in named.values()]
    norm = LogNorm(losses[0], median_low(ends))
    levels = [norm.inverse(i / LEVELS) for i in range(LEVELS + 1)]
    for ax, colour, (name, found) in zip(maps, COLOURS, named.items(), strict=False):
        short = name.partition(" + ")[0]
        lines.plot(found.at, found.line, color=colour, label=short)
        drawn = ax.contourf(
            found.at, found.at, _transposed(found.plane), levels, norm=norm, extend="max"
        )
        ax.plot(0, 0, "+", color="white")
        ax.set(title=short, xlabel="first direction", aspect="equal")
        ax.grid(visible=False)
    maps[0].set_ylabel("second direction")
    lines.set(yscale="log", xlabel="first direction, in filter norms", ylabel="loss")
    figure.legend(*lines.get_legend_handles_labels(), loc="outside lower left", ncols=4, fontsize=8)
    figure.colorbar(drawn, ax=maps, format="%.2g", label="loss")
    figure.suptitle(label)
    return figure


def _transposed(plane: list[list[float]]) -> list[tuple[float, ...]]:
    """Rows for the second direction, as matplotlib wants them."""
    return list(zip(*plane, strict=True))
