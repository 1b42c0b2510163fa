"""The loss around trained models: along a line, and in the plane of two directions."""

import sys
from math import isfinite
from pathlib import Path
from statistics import median_low

from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from bench.records.run_record import RunRecord, Surface
from bench.records.run_store import RunStore
from bench.reporting.aggregate import method_of
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import COLOURS, panels, shorten

LEVELS = 12


def read_surfaces(root: Path, records: list[RunRecord]) -> dict[str, Surface]:
    """Return the loss surfaces of records by model and method; of several seeds, the lowest."""
    done = [record for record in records if record.status == "done" and record.run.surface]
    runs = [(record.run, record.key) for record in done]
    store, surfaces = RunStore(root), {}
    runs.sort(key=lambda pair: (pair[0].model.name, str(pair[0].method), -pair[0].seed))
    for run, key in runs:
        try:
            loss = store.read_surface(run, key)
        except ValueError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        surfaces[f"{Path(run.model.name).stem} {method_of(run)}"] = loss
    return surfaces


def surface(surfaces: dict[str, Surface], title: str) -> Figure | None:
    """Return the lines of all models in one panel, then a contour map of each in one scale.

    The scale ends where half of the maps that are not flat at its start do, so that one steep map
    does not flatten the others.
    """
    surfaces = dict(list(surfaces.items())[: len(COLOURS)])
    losses = [own for each in surfaces.values() if (own := _losses(each))]
    low = min(map(min, losses), default=0.0)
    ends = [max(own) for own in losses if max(own) > low]
    if not ends:
        return None
    figure, (lines, *maps) = panels(1 + len(surfaces))
    norm = LogNorm(low, median_low(ends))
    levels = [norm.inverse(i / LEVELS) for i in range(LEVELS + 1)]
    labels = []
    for ax, colour, (name, each) in zip(maps, COLOURS, surfaces.items(), strict=False):
        short = shorten(name)
        lines.plot(each.at, each.line, color=colour)
        labels.append(Label(each.at[-1], each.line[-1], short, colour))
        contours = ax.contourf(
            each.at, each.at, _transpose(each.plane), levels, norm=norm, extend="max"
        )
        ax.plot(0, 0, "+", color="white")
        ax.set(title=short + _say_curvature(each), aspect="equal")
        ax.grid(visible=False)
    lines.set(yscale="log", xlabel="first direction, in filter norms", title="loss on a line")
    label_ends(lines, [label for label in labels if isfinite(label.y)])
    figure.colorbar(
        contours, ax=maps, format="%.2g", ticks=levels[::4], label="loss", location="bottom"
    )
    figure.suptitle(title)
    return figure


def _losses(surface: Surface) -> list[float]:
    """Return the losses in the plane that a logarithmic scale has a place for."""
    return [loss for row in surface.plane for loss in row if loss > 0 and isfinite(loss)]


def _say_curvature(surface: Surface) -> str:
    """Return the Hessian's largest eigenvalue and trace, which records of before do not have."""
    if surface.hessian_largest is None:
        return ""
    return f"\nHessian: {surface.hessian_largest:.2g} at most, trace {surface.hessian_trace:.2g}"


def _transpose(plane: list[list[float]]) -> list[tuple[float, ...]]:
    """Return rows for the second direction, as matplotlib wants them."""
    return list(zip(*plane, strict=True))
