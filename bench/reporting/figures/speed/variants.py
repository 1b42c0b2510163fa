"""What modes and precisions win."""

from itertools import cycle

from matplotlib.figure import Figure

from bench.core import cases
from bench.reporting.figures.style import COLOURS, SPEED_KINDS, Rows, head, panels


def ladder(rows: Rows, title: str) -> Figure | None:
    """Return each model in every variant, at the largest size where there are several, in units of
    the unit: variants are of different sessions.
    """
    variants = sorted({row["rung"] for row in rows})
    if len(variants) < 2:
        return None
    sizes = {(r["nodes"], r["batch"]) for r in rows if r["rung"] != "eager, float32"}
    shown = [row for row in rows if (row["nodes"], row["batch"]) == max(sizes)]
    models = sorted({row["model"] for row in shown})
    figure, axes = panels(2, 0.3 + 0.05 * len(models) * len(variants))
    high = 0.8 / len(variants)
    for ax, (kind, words) in zip(axes, SPEED_KINDS.items(), strict=True):
        for i, (variant, colour) in enumerate(zip(variants, cycle(COLOURS), strict=False)):
            own = {r["model"]: r[f"{kind}_x_unit"] for r in shown if r["rung"] == variant}
            timed = {models.index(model): ratio for model, ratio in own.items() if ratio}
            places = [y + (i - (len(variants) - 1) / 2) * high for y in timed]
            bars = ax.barh(places, timed.values(), high, color=colour)
            ax.bar_label(
                bars,
                [variant.removesuffix(", float32")] * len(timed),
                padding=2,
                fontsize=6,
                color=colour,
            )
        ax.set(title=f"{words}, {max(sizes)[0]} nodes, batch {max(sizes)[1]}")
        ax.set_xlabel(f"time over that of {cases.UNIT}, eager")
        ax.set_yticks(range(len(models)), models, fontsize=7)
        ax.margins(x=0.3)
        ax.grid(axis="y", visible=False)
    head(figure, "Modes and precisions", title)
    return figure
