"""Names beside lines and points, in place of legends: placed so that none covers another."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

WIDE = 0.58  # of a letter, in sizes
SHARES = 0.82, 0.74  # of width and height of a panel that its axes fill
PLACES = [(1, 0), (-1, 0), (0, 1), (0, -1), *product((1, -1), (1, -1, 2, -2, 3, -3, 4, -4))]
LEADER = {"arrowstyle": "-", "linewidth": 0.5, "alpha": 0.6, "shrinkA": 1, "shrinkB": 2}
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Label:
    """What stands beside a point, in its colour; one that is no `must` is left out if it covers."""

    x: float
    y: float
    text: str
    colour: str
    must: bool = True


def label_ends(ax: Axes, labels: Iterable[Label], at: float | None = None) -> list[Box]:
    """Write each name level with its point: right of the axes, or of the place `at` on them.

    Returns where the names stand on the axes, in points.
    """
    labels = sorted(labels, key=lambda label: (label.y, label.text))
    heights = [_fraction(ax, label.x, label.y)[1] for label in labels]
    gap = 1.15 * _font() / _size(ax)[1]
    places = spread(heights, gap)
    if at is not None and places:  # on the axes, above their lower end
        places = [y + max(0.0, gap / 2 - places[0]) for y in places]
    x, across = (1.05, ax.transAxes) if at is None else (at, ax.transData)
    beside = blended_transform_factory(across, ax.transAxes)
    for label, y in zip(labels, places, strict=True):
        ax.annotate(
            label.text, (label.x, label.y), (x, y), textcoords=beside, annotation_clip=False,
            va="center", color=label.colour, fontsize=_font(),
            arrowprops=LEADER | {"color": label.colour},
        )  # fmt: skip
    wide, high = _size(ax)
    left = wide * (x if at is None else _fraction(ax, at, ax.get_ylim()[0])[0])
    names = zip(labels, places, strict=True)
    return [_box(label.text, left - 4, high * y, 1, 0) for label, y in names]


def label_points(
    ax: Axes, labels: Iterable[Label], lines: Iterable[Box] = (), others: Iterable[Box] = ()
) -> None:
    """Write each name beside its point, where it covers neither points nor names nor lines.

    Lines, upright or level ones, are given by their ends, x and y of each; `others` are names that
    stand already, as `label_ends` returns them.
    """
    labels = list(labels)
    wide, high = _size(ax)
    places = [
        (wide * x, high * y) for x, y in (_fraction(ax, label.x, label.y) for label in labels)
    ]
    taken: list[Box] = [*others, *((x - 2, y - 2, x + 2, y + 2) for x, y in places)]
    for left, low, right, top in lines:
        ends = (*_fraction(ax, left, low), *_fraction(ax, right, top))
        x, y = (
            sorted((size * one, size * other))
            for size, one, other in zip((wide, high), ends[:2], ends[2:], strict=True)
        )
        taken.append((x[0] - 0.5, y[0] - 0.5, x[1] + 0.5, y[1] + 0.5))
    for label, (x, y) in sorted(zip(labels, places, strict=True), key=lambda pair: -pair[0].must):
        offers = [_box(label.text, x, y, *side) for side in PLACES]
        costs = [_cost(box, taken, wide, high) for box in offers]
        best = costs.index(min(costs))
        if not label.must and (costs[best] or abs(PLACES[best][1]) > 1):
            continue
        taken.append(offers[best])
        left, low, right, top = offers[best]
        offset = ((left + right) / 2 - x, (low + top) / 2 - y)
        ax.annotate(
            label.text, (label.x, label.y), offset, textcoords="offset points", ha="center",
            va="center", color=label.colour, fontsize=_font(),
            arrowprops=LEADER | {"color": label.colour} if abs(PLACES[best][1]) > 1 else None,
        )  # fmt: skip


def spread(places: list[float], gap: float) -> list[float]:
    """Return ordered places at least a gap apart, as near to the given ones as can be (L2)."""
    blocks: list[list[float]] = []  # means of what is pooled, and how many
    for i, place in enumerate(places):
        blocks.append([place - i * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (one, n), (other, m) = blocks[-2:]
            blocks[-2:] = [[(one * n + other * m) / (n + m), n + m]]
    means = [mean for mean, count in blocks for _ in range(int(count))]
    return [mean + i * gap for i, mean in enumerate(means)]


def _font() -> float:
    """Return the size of names in points: a little smaller than all else."""
    return mpl.rcParams["font.size"] - 1


def _fraction(ax: Axes, x: float, y: float) -> tuple[float, float]:
    """Return where a point lies in its axes, from 0 to 1."""
    ax.get_xlim(), ax.get_ylim()  # settles the limits
    across, up = ax.transLimits.transform(ax.transScale.transform((x, y)))
    return float(across), float(up)


def _size(ax: Axes) -> tuple[float, float]:
    """Return about how wide and high the axes will be, in points."""
    grid = ax.get_gridspec()
    wide, high = 72 * ax.figure.get_size_inches()
    return SHARES[0] * wide / grid.ncols, SHARES[1] * high / grid.nrows


def _box(text: str, x: float, y: float, right: int, up: int) -> Box:
    wide, high = WIDE * _font() * len(text), _font()
    x += right * (wide / 2 + 4)
    y += up * (high / 2 + 4) if abs(up) < 2 or not right else up * 1.3 * high
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def _cost(box: Box, taken: list[Box], wide: float, high: float) -> float:
    """Return the area of what a box covers, and of what of it lies outside."""
    outside = max(0, -box[0]) + max(0, box[2] - wide) + max(0, -box[1]) + max(0, box[3] - high)
    return 10 * outside + sum(_overlap(box, other) for other in taken)


def _overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)
