"""Who is fastest where: the fastest equivariant network at each size."""

from itertools import product

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.core import cases
from bench.reporting.figures.style import SPEED_KINDS, Row, Rows, bare_name, head, palette


def crossover(rows: Rows, title: str) -> Figure | None:
    """Return the fastest equivariant model over batch and nodes, and how it fares against the
    Transformer of the same scale.
    """
    exact = [row for row in rows if row["equivariant"]]
    plain = {(row["nodes"], row["batch"]): row for row in rows if bare_name(row) == cases.UNIT.name}
    nodes, batches = (sorted({row[axis] for row in exact}) for axis in ("nodes", "batch"))
    if len(nodes) * len(batches) < 2:
        return None
    colour = palette(exact)
    figure = Figure(figsize=(2 + 2.2 * len(batches), 1.6 + 0.7 * len(nodes)), layout="constrained")
    for ax, (kind, words) in zip(figure.subplots(1, 2), SPEED_KINDS.items(), strict=True):
        for (x, batch), (y, n) in product(enumerate(batches), enumerate(nodes)):
            here = [row for row in exact if (row["nodes"], row["batch"]) == (n, batch)]
            known = [row for row in here if row[f"{kind}_x_unit"]]
            _tile(ax, (x, y), known, plain.get((n, batch)), f"{kind}_x_unit", colour)
        ax.set(title=words, xlabel="batch", ylabel="nodes", xlim=(-0.5, len(batches) - 0.5))
        ax.set_ylim(-0.5, len(nodes) - 0.5)
        ax.set_xticks(range(len(batches)), batches)
        ax.set_yticks(range(len(nodes)), nodes)
        ax.grid(visible=False)
    head(figure, "The fastest exact network, its time over the Transformer's", title)
    return figure


def _tile(
    ax: Axes, at: tuple[int, int], here: Rows, plain: Row | None, name: str, colour: dict[str, str]
) -> None:
    if not here:
        return
    best = min(here, key=lambda row: row[name])
    corner = (at[0] - 0.5, at[1] - 0.5)
    ax.add_patch(Rectangle(corner, 1, 1, color=colour[best["model"]], alpha=0.4))
    ratio = f"\n{best[name] / plain[name]:.2g}" if plain and plain[name] else ""
    ratio += " C" * (best[name.replace("_x_unit", "_quality")] == "C")
    ax.text(*at, bare_name(best) + ratio, ha="center", va="center", fontsize=7)
