"""Who is fastest where: the fastest equivariant network at each size."""

from collections import Counter
from itertools import product
from math import log2

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.core import cases
from bench.reporting.figures.style import (
    EXACT,
    FREE,
    GRID,
    INK,
    SPEED_KINDS,
    Row,
    Rows,
    bare_name,
    head,
    panels,
)


def crossover(rows: Rows, title: str) -> Figure | None:
    """Return the fastest equivariant model over batch and nodes, and how it fares against the
    Transformer of the same scale, among those that were timed at most sizes.
    """
    counts = Counter(row["model"] for row in rows if row["equivariant"])
    most = max(counts.values(), default=0)
    exact = [row for row in rows if row["equivariant"] and counts[row["model"]] == most]
    plain = {(row["nodes"], row["batch"]): row for row in rows if bare_name(row) == cases.UNIT.name}
    nodes, batches = (sorted({row[axis] for row in exact}) for axis in ("nodes", "batch"))
    if len(nodes) * len(batches) < 2:
        return None
    figure, axes = panels(2, 0.4 + 0.15 * len(nodes))
    for ax, (kind, words) in zip(axes, SPEED_KINDS.items(), strict=True):
        for (x, batch), (y, n) in product(enumerate(batches), enumerate(nodes)):
            here = [row for row in exact if (row["nodes"], row["batch"]) == (n, batch)]
            known = [row for row in here if row[f"{kind}_x_unit"]]
            _tile(ax, (x, y), known, plain.get((n, batch)), f"{kind}_x_unit")
        ax.set(title=words, xlabel="batch", ylabel="nodes", xlim=(-0.5, len(batches) - 0.5))
        ax.set_ylim(-0.5, len(nodes) - 0.5)
        ax.set_xticks(range(len(batches)), batches)
        ax.set_yticks(range(len(nodes)), nodes)
        ax.grid(visible=False)
    head(figure, "The fastest exact network, its time over the Transformer's", title)
    return figure


def _tile(ax: Axes, at: tuple[int, int], here: Rows, plain: Row | None, name: str) -> None:
    if not here:
        return
    best = min(here, key=lambda row: row[name])
    corner = (at[0] - 0.5, at[1] - 0.5)
    ratio = best[name] / plain[name] if plain and plain[name] else None
    shade = GRID if ratio is None else EXACT if ratio < 1 else FREE[0]
    strength = 0.1 if ratio is None else min(0.75, 0.12 + 0.3 * abs(log2(ratio)))
    ax.add_patch(Rectangle(corner, 1, 1, facecolor=shade, alpha=strength, edgecolor="none"))
    words = "" if ratio is None else f"\n{ratio:.2g}"
    words += " C" * (best[name.replace("_x_unit", "_quality")] == "C")
    ax.text(*at, bare_name(best) + words, ha="center", va="center", fontsize=6.5, color=INK)
