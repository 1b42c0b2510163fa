"""Errors against compute, samples seen and parameters, and the exponents of their power laws."""

from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from bench.reporting.figures.labels import Label, label_ends
from bench.reporting.figures.style import EXACT, FREE, panels, set_plain_ticks, shorten
from bench.reporting.scaling_laws import (
    COLUMNS,
    EXPONENTS,
    Law,
    Learner,
    band,
    bootstrap_laws,
    fit_law,
)

Look = tuple[str, str]  # name and colour


def scaling(learners: list[Learner], title: str) -> Figure | None:
    """Return errors against compute with the fitted frontier, against data, size, and exponents."""
    if not learners:
        return None
    figure, axes = panels(4)
    words = ("training FLOPs", "samples seen, largest network", "parameters, longest training")
    for ax, text in zip(axes, words, strict=False):
        ax.set(xscale="log", yscale="log", xlabel=text)
        ax.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("MSE x 1e3")
    free, ends, exponents = cycle(FREE), ([], [], []), []
    for learner in learners:
        name = shorten(f"{learner['network']} {learner['method']}")
        look = name, EXACT if learner["exact"] else next(free)
        columns = [np.array(learner[column], float) for column in COLUMNS]
        law, laws = fit_law(*columns[:3]), bootstrap_laws(*columns[:3])
        ends[0].append(_draw_frontier(axes[0], columns, law, laws, look))
        for ax, labels, along, across in ((axes[1], ends[1], 1, 0), (axes[2], ends[2], 0, 1)):
            labels.append(_draw_slice(ax, columns, along, across, look))
        exponents.append((law, laws, look))
    errors = np.concatenate([learner["error"] for learner in learners])
    for ax, labels in zip(axes, ends, strict=False):
        ax.set_ylim(800 * errors.min(), 1250 * errors.max())
        set_plain_ticks(ax.yaxis)
        label_ends(ax, labels)
    _draw_exponents(axes[3], exponents)
    figure.suptitle(title)
    return figure


def _draw_frontier(
    ax: Axes, columns: list[np.ndarray], law: Law, laws: list[Law], look: Look
) -> Label:
    """Draw the runs, and the least error for a compute as their law has it, with its band."""
    size, seen, error, flops = columns
    ax.plot(flops, 1e3 * error, "o", color=look[1], markersize=2, alpha=0.5)
    compute = np.geomspace(flops.min(), flops.max(), 40)
    per_pair = np.median(flops / (size * seen))  # FLOPs of a parameter and sample
    best = 1e3 * law.best_error(compute / per_pair)
    low, high = band([1e3 * drawn.best_error(compute / per_pair) for drawn in laws])
    ax.plot(compute, best, color=look[1])
    ax.fill_between(compute, low, high, color=look[1], alpha=0.15, linewidth=0)
    return Label(compute[-1], best[-1], *look)


def _draw_slice(ax: Axes, columns: list[np.ndarray], along: int, across: int, look: Look) -> Label:
    """Draw mean errors along one column, where another is largest, with their deviations."""
    shown = columns[across] == columns[across].max()
    x, error = columns[along][shown], 1e3 * columns[2][shown]
    places = np.unique(x)
    means = np.array([error[x == place].mean() for place in places])
    spreads = np.array([error[x == place].std() for place in places])
    ax.plot(places, means, color=look[1], marker="o", markersize=3)
    ax.fill_between(places, means - spreads, means + spreads, color=look[1], alpha=0.15)
    return Label(places[-1], means[-1], *look)


def _draw_exponents(ax: Axes, exponents: list[tuple[Law, list[Law], Look]]) -> None:
    """Draw the exponents of every learner, a group for each quantity, with bands and numbers."""
    ticks = {}
    for group, (name, words) in enumerate(EXPONENTS.items()):
        for i, (law, laws, (_, colour)) in enumerate(exponents):
            place = -group - 0.8 * i / len(exponents)
            value, (low, high) = getattr(law, name), band([getattr(draw, name) for draw in laws])
            ax.plot([low, high], [place, place], color=colour)
            ax.plot(value, place, "o", color=colour, markersize=3.5)
            text = f"{value:.2f} ({low:.2f} to {high:.2f})"
            ax.text(1.02, place, text, transform=ax.get_yaxis_transform(), va="center",
                    color=colour, fontsize="small")  # fmt: skip
        ticks[-group - 0.4 * (1 - 1 / len(exponents))] = words
    ax.set_yticks([*ticks], [*ticks.values()])
    ax.set_xlim(left=0)
    ax.set(xlabel="exponent with which errors fall", title="19 of 20 draws of runs")
    ax.grid(visible=False, axis="y")
