"""The loss around trained models: along a line, and in the plane of two directions."""

import sys
from math import isfinite
from pathlib import Path
from statistics import median_low

from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from bench.records.run_record import RunRecord, Surface
from bench.records.run_store import RunStore
from bench.reporting.aggregate import frame, summary
from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import COLOURS, panels, short_names

LEVELS = 12


def read_surfaces(root: Path, records: list[RunRecord]) -> list[tuple[str, Surface]]:
    """Return the names of rows with a loss surface, and these; of several seeds, the lowest."""
    done = [record for record in records if record.status == "done" and record.run.surface]
    if not done:
        return []
    store, surfaces = RunStore(root), {}
    for record in sorted(done, key=lambda record: -record.run.seed):
        try:
            surfaces[record.key] = store.read_surface(record.run, record.key)
        except ValueError as error:
            print(f"skipped: {error}", file=sys.stderr)
    table = summary(frame(done))
    names = zip(table["key"], short_names(table), strict=True)
    return [(name, surfaces[key]) for key, name in names if key in surfaces]


def surface(surfaces: list[tuple[str, Surface]], title: str) -> Figure | None:
    """Return the lines of all models in one panel, then a contour map of each in one scale.

    The scale ends where half of the maps that are not flat at its start do, so that one steep map
    does not flatten the others.
    """
    surfaces = surfaces[: len(COLOURS)]
    losses = [own for _, each in surfaces if (own := _losses(each))]
    low = min(map(min, losses), default=0.0)
    ends = [max(own) for own in losses if max(own) > low]
    if not ends:
        return None
    figure, (lines, *maps) = panels(1 + len(surfaces))
    norm = LogNorm(low, median_low(ends))
    levels = [norm.inverse(i / LEVELS) for i in range(LEVELS + 1)]
    labels = []
    for ax, colour, (name, each) in zip(maps, COLOURS, surfaces, strict=False):
        lines.plot(each.at, each.line, color=colour)
        labels.append(Label(each.at[-1], each.line[-1], name, colour))
        contours = ax.contourf(
            each.at, each.at, _transpose(each.plane), levels, norm=norm, extend="max"
        )
        ax.plot(0, 0, "+", color="white")
        ax.set(title=name + _say_curvature(each), aspect="equal")
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
