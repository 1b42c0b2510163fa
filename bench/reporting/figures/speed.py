"""Figures of the speed grid: scaling, the ladder of modes, crossover, memory and roofline."""

from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.core import cases
from bench.records.speed_store import SpeedStore
from bench.reporting import speed_table
from bench.reporting.figures.style import COLOURS, STYLE, legend, save

Row = dict[str, Any]
Rows = list[Row]
KINDS = {"inference": "inference", "train_step": "training step"}
SCALES = {"default": "default sizes", "paper": "published sizes"}
LINES = {True: "-", False: "--"}  # equivariant models, unconstrained ones


def write(root: Path) -> list[Path]:
    """Draws the figures of one machine's speed records under root/figures."""
    found = speed_table.rows(SpeedStore(root).load()[0])
    made = coloured([row for row in found if row["inference_ms"]])
    files = []
    with mpl.rc_context(STYLE):
        for scale, name in product(sorted({row["scale"] for row in made}), FIGURES):
            words = SCALES[scale] if scale in SCALES else f"{int(scale):,} parameters each"
            own = named([row for row in made if row["scale"] == scale])
            plain = [row for row in own if row["mode"] == "eager" and row["dtype"] == "float32"]
            title, draw = FIGURES[name]
            figure = draw(own if name == "ladder" else plain)
            if figure:
                figure.suptitle(f"{title}\n{words}, {root.name}", fontsize="medium")
                files += save(figure, root / "figures" / f"speed-{scale}-{name}")
    for file in set(root.glob("figures/speed-*")) - set(files):
        file.unlink()  # of cells that are no more
    return files


def coloured(rows: Rows) -> Rows:
    """The rows with a colour for each network, the same in all figures."""
    names = sorted({_name(row) for row in rows})
    return [row | {"colour": COLOURS[names.index(_name(row)) % len(COLOURS)]} for row in rows]


def palette(rows: Rows) -> dict[str, str]:
    """The colour of each model, in order of name."""
    return {row["model"]: row["colour"] for row in sorted(rows, key=_name)}


def named(rows: Rows) -> Rows:
    """The rows with models by their bare names, where those tell them apart."""
    models = {row["model"] for row in rows}
    bare = Counter(model.partition("(")[0] for model in models)
    return [
        row | {"model": name if bare[name := _name(row)] == 1 else row["model"]} for row in rows
    ]


def against(axis: str, other: str) -> Callable[[Rows], Figure | None]:
    """Time and throughput against one size, at the largest value of the other."""

    def draw(rows: Rows) -> Figure | None:
        fixed = widest(rows, other)
        shown = [row for row in rows if row[other] == fixed]
        if len({row[axis] for row in shown}) < 2:
            return None
        figure = Figure(figsize=(9.6, 6.4), layout="constrained")
        axes = figure.subplots(2, 2, sharex=True)
        for column, (kind, words) in enumerate(KINDS.items()):
            name = f"{kind}_ms"
            _lines(axes[0, column], shown, axis, name, lambda row, t: t)
            _lines(axes[1, column], shown, axis, name, lambda row, t: 1e3 * row["batch"] / t)
            title = f"{fixed} nodes" if other == "nodes" else f"batch {fixed}"
            axes[0, column].set(title=f"{words}, {title}", ylabel="ms")
            axes[1, column].set(xlabel=axis, ylabel="samples/s")
        legend(figure, axes[0, 0])
        return figure

    return draw


def widest(rows: Rows, axis: str) -> int | None:
    """The size along an axis that most rows share, the largest of several such."""
    counts = Counter(row[axis] for row in rows)
    return max(counts, key=lambda size: (counts[size], size), default=None)


def memory(rows: Rows) -> Figure | None:
    """Most bytes alive in a training step, against nodes, at the largest batch."""
    fixed = widest(rows, "batch")
    shown = [row for row in rows if row["batch"] == fixed and row.get("step_peak_bytes")]
    if len({row["nodes"] for row in shown}) < 2:
        return None
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    ax = figure.subplots()
    _lines(ax, shown, "nodes", "step_peak_bytes", lambda row, peak: 1e-6 * peak)
    ax.set(title=f"training step, batch {fixed}", xlabel="nodes", ylabel="MB")
    legend(figure, ax)
    return figure


def _lines(ax: Axes, rows: Rows, axis: str, name: str, value: Callable) -> None:
    for model, colour in palette(rows).items():
        own = sorted((r for r in rows if r["model"] == model and r[name]), key=lambda r: r[axis])
        points = [(row[axis], value(row, row[name])) for row in own]
        if points:
            style = LINES[own[0]["equivariant"]]
            faces = ["white" if _spoilt(row, name) else colour for row in own]
            ax.plot(*zip(*points, strict=True), style, color=colour, label=model)
            ax.scatter(*zip(*points, strict=True), 36, faces, edgecolors=colour, zorder=3)
    ax.set(xscale="log", yscale="log")
    ticks = sorted({row[axis] for row in rows})
    ax.set_xticks(ticks, map(str, ticks))
    ax.minorticks_off()


def _spoilt(row: Row, name: str) -> bool:
    return row.get(name.replace("_ms", "_quality")) == "C"


def crossover(rows: Rows) -> Figure | None:
    """Who is fastest where: the fastest equivariant model over batch and nodes, and how it fares
    against the Transformer of the same scale.
    """
    exact = [row for row in rows if row["equivariant"]]
    plain = {(row["nodes"], row["batch"]): row for row in rows if _name(row) == cases.UNIT.name}
    nodes, batches = (sorted({row[axis] for row in exact}) for axis in ("nodes", "batch"))
    if len(nodes) * len(batches) < 2:
        return None
    colour = palette(exact)
    figure = Figure(figsize=(2 + 2.2 * len(batches), 1.6 + 0.7 * len(nodes)), layout="constrained")
    for ax, (kind, words) in zip(figure.subplots(1, 2), KINDS.items(), strict=True):
        for (x, batch), (y, n) in product(enumerate(batches), enumerate(nodes)):
            here = [row for row in exact if (row["nodes"], row["batch"]) == (n, batch)]
            known = [row for row in here if row[f"{kind}_x_unit"]]
            _tile(ax, (x, y), known, plain.get((n, batch)), f"{kind}_x_unit", colour)
        ax.set(title=words, xlabel="batch", ylabel="nodes", xlim=(-0.5, len(batches) - 0.5))
        ax.set_ylim(-0.5, len(nodes) - 0.5)
        ax.set_xticks(range(len(batches)), batches)
        ax.set_yticks(range(len(nodes)), nodes)
        ax.grid(visible=False)
    return figure


def _tile(
    ax: Axes, at: tuple[int, int], here: Rows, plain: Row | None, name: str, colour: dict[str, str]
) -> None:
    if not here:
        return
    best = min(here, key=lambda row: row[name])
    corner = (at[0] - 0.5, at[1] - 0.5)
    ax.add_patch(mpl.patches.Rectangle(corner, 1, 1, color=colour[best["model"]], alpha=0.4))
    ratio = f"\n{best[name] / plain[name]:.2g}" if plain and plain[name] else ""
    ratio += " C" * (best[name.replace("_x_unit", "_quality")] == "C")
    ax.text(*at, _name(best) + ratio, ha="center", va="center", fontsize=7)


def _name(row: Row) -> str:
    return row["model"].partition("(")[0]


def ladder(rows: Rows) -> Figure | None:
    """Each model on every rung, at the largest size where there are several, in units of the unit:
    rungs are of different sessions.
    """
    rungs = sorted({row["rung"] for row in rows})
    if len(rungs) < 2:
        return None
    sizes = {(r["nodes"], r["batch"]) for r in rows if r["rung"] != "eager, float32"}
    shown = [row for row in rows if (row["nodes"], row["batch"]) == max(sizes)]
    models = sorted({row["model"] for row in shown})
    figure = Figure(figsize=(8.4, 1.4 + 0.22 * len(models) * len(rungs)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    high = 0.8 / len(rungs)
    for ax, (kind, words) in zip(axes, KINDS.items(), strict=True):
        for i, rung in enumerate(rungs):
            own = {r["model"]: r[f"{kind}_x_unit"] for r in shown if r["rung"] == rung}
            timed = {models.index(model): ratio for model, ratio in own.items() if ratio}
            places = [y + (i - (len(rungs) - 1) / 2) * high for y in timed]
            ax.barh(places, timed.values(), high, color=COLOURS[i], label=rung)
        ax.set(title=f"{words}, {max(sizes)[0]} nodes, batch {max(sizes)[1]}")
        ax.set_xlabel(f"time over that of {cases.UNIT}, eager")
    axes[0].set_yticks(range(len(models)), models)
    legend(figure, axes[0])
    return figure


def roofline(rows: Rows) -> Figure | None:
    """FLOP/s of training steps against FLOPs per byte, below the machine's two ceilings."""
    timed = [row for row in rows if row["train_step_shares"] and row["step_flops"]]
    if not timed:
        return None
    peak, rate = (max(row[name] for row in timed) for name in ("flops_per_s", "bytes_per_s"))
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    ax = figure.subplots()
    ridge = peak / rate
    roof = [1e-9 * min(peak, rate * x) for x in (ridge / 100, ridge, 10 * ridge)]
    ax.plot([ridge / 100, ridge, 10 * ridge], roof, color="0.3", label="ceilings")
    for model, colour in palette(timed).items():
        own = [row for row in timed if row["model"] == model]
        x = [row["step_flops"] / row["step_moved_bytes"] for row in own]
        y = [1e-6 * row["step_flops"] / row["train_step_ms"] for row in own]
        ax.scatter(x, y, color=colour, s=18, label=model)
    ax.set(xscale="log", yscale="log", xlabel="FLOPs per byte", ylabel="GFLOP/s, training step")
    legend(figure, ax)
    return figure


FIGURES: dict[str, tuple[str, Callable[[Rows], Figure | None]]] = {
    "nodes": ("Time against nodes", against("nodes", "batch")),
    "batch": ("Time against batch", against("batch", "nodes")),
    "memory": ("Memory", memory),
    "crossover": ("The fastest exact network, its time over the Transformer's", crossover),
    "ladder": ("Modes and precisions", ladder),
    "roofline": ("Roofline", roofline),
}
