"""Names beside lines and points, in place of legends: placed so that none covers another."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from math import inf

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

WIDE = 0.6  # of a letter, in sizes
SHARES = 0.82, 0.74  # of width and height of a panel that its axes fill
STEPS = [step for far in range(1, 7) for step in (far, -far)]  # of a name's height, up or down
PLACES = [(1, 0), (-1, 0), (0, 1), (0, -1), *product((1, -1), STEPS)]
NEAR = [place for place in PLACES if abs(place[1]) < 2]  # where a name needs no leader
CROSSING = 4  # how much worse a leader is that crosses than a name that covers as much
LEADS = 0.85  # of the way to its point, beyond which a leader covers no name
EDGE = 3  # points to the lower and the upper end of a panel that a name keeps off
BAR = 1.5  # points to either side of a line that a name keeps off
LEADER = {"linewidth": 0.5, "alpha": 0.6}
ARROW = LEADER | {"arrowstyle": "-", "shrinkA": 1, "shrinkB": 2}
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Label:
    """What stands beside a point, in its colour; one that is no `must` is left out if it covers."""

    x: float
    y: float
    text: str
    colour: str
    must: bool = True


def label_ends(
    ax: Axes, labels: Iterable[Label], at: float | None = None, lines: Iterable[Box] = ()
) -> list[Box]:
    """Write each name level with its point: right of the axes, or of the place `at` on them.

    A name that is no `must` is left out if it covers one of the lines, given as `label_points`
    takes them. Returns where the names stand on the axes, in points.
    """
    labels = sorted(labels, key=lambda label: (label.y, label.text))
    points = [_fraction(ax, label.x, label.y) for label in labels]
    gap = 1.15 * _font() / _size(ax)[1]
    places = spread([y for _, y in points], gap)
    if at is not None and places:  # on the axes, above their lower end
        places = [y + max(0.0, gap / 2 - places[0]) for y in places]
    wide, high = _size(ax)
    x = 1.05 if at is None else _fraction(ax, at, ax.get_ylim()[0])[0]
    names = [*zip(labels, places, strict=True)]
    boxes = [_box(label.text, wide * x - 4, high * y, 1, 0) for label, y in names]
    lines = [*lines]
    taken = _lines(ax, lines)
    for label, box in zip(labels, boxes, strict=True):
        if taken and not label.must and _costs([box], taken, inf, inf)[0] > 0:
            return label_ends(ax, [one for one in labels if one is not label], at, lines)
    for label, y in names:
        ax.text(
            x, y, label.text, transform=ax.transAxes, va="center", color=label.colour,
            fontsize=_font(),
        )  # fmt: skip
    ends = [(x - 1 / wide, y) for y in places]
    leaders = LineCollection(
        [*zip(points, ends, strict=True)], colors=[label.colour for label in labels],
        transform=ax.transAxes, clip_on=False, **LEADER,
    )  # fmt: skip
    leaders.set_in_layout(False)
    ax.add_artist(leaders)
    return boxes


def label_points(
    ax: Axes, labels: Iterable[Label], lines: Iterable[Box] = (), others: Iterable[Box] = ()
) -> None:
    """Write each name beside its point, where neither it nor its leader covers what stands there.

    Lines, upright or level ones, are given by their ends, x and y of each; `others` are names that
    stand already, as `label_ends` returns them.
    """
    labels = list(labels)
    wide, high = _size(ax)
    places = [
        (wide * x, high * y) for x, y in (_fraction(ax, label.x, label.y) for label in labels)
    ]
    taken: list[Box] = [*others, *((x - 2, y - 2, x + 2, y + 2) for x, y in places)]
    taken += _lines(ax, lines)
    for label, (x, y) in sorted(zip(labels, places, strict=True), key=lambda pair: -pair[0].must):
        near = PLACES if label.must else NEAR
        offers = [_keep_inside(_box(label.text, x, y, *side), wide, side[1]) for side in near]
        leaders = [
            _leader(box, x, y) if abs(up) > 1 else []
            for box, (_, up) in zip(offers, near, strict=True)
        ]
        costs = _costs(offers, taken, wide, high)
        crossed = [_costs(leader, taken, inf, inf).sum() if leader else 0.0 for leader in leaders]
        costs += CROSSING * np.array(crossed)
        best = int(costs.argmin())
        if not label.must and costs[best]:
            continue
        taken += [offers[best], *leaders[best]]
        left, low, right, top = offers[best]
        offset = ((left + right) / 2 - x, (low + top) / 2 - y)
        ax.annotate(
            label.text, (label.x, label.y), offset, textcoords="offset points", ha="center",
            va="center", color=label.colour, fontsize=_font(),
            arrowprops=ARROW | {"color": label.colour} if abs(near[best][1]) > 1 else None,
        ).set_in_layout(False)  # fmt: skip


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


def _lines(ax: Axes, lines: Iterable[Box]) -> list[Box]:
    """Return what names keep off for the sake of upright or level lines, in points."""
    boxes = []
    for left, low, right, top in lines:
        ends = (*_fraction(ax, left, low), *_fraction(ax, right, top))
        x, y = (
            sorted((size * one, size * other))
            for size, one, other in zip(_size(ax), ends[:2], ends[2:], strict=True)
        )
        boxes.append((x[0] - BAR, y[0] - BAR, x[1] + BAR, y[1] + BAR))
    return boxes


def _keep_inside(box: Box, wide: float, up: int) -> Box:
    """Return a box that a leader leads to, moved so that it ends within the panel."""
    left, low, right, top = box
    shift = max(-left, 0.0) + min(wide - right, 0.0) if abs(up) > 1 else 0.0
    return left + shift, low, right + shift, top


def _leader(box: Box, x: float, y: float) -> list[Box]:
    """Return small boxes along the line from the edge of a name to near its point."""
    left, low, right, top = box
    across, up = x - (left + right) / 2, y - (low + top) / 2
    edge = min((right - left) / 2 / max(abs(across), 1e-9), (top - low) / 2 / max(abs(up), 1e-9))
    shares = np.linspace(min(edge, LEADS), LEADS, 12)
    ends = [(x - across * (1 - share), y - up * (1 - share)) for share in shares]
    return [(a - 1, b - 1, a + 1, b + 1) for a, b in ends]


def _costs(offers: list[Box], taken: list[Box], wide: float, high: float) -> np.ndarray:
    """Return for each box the area of what it covers, and of what of it lies outside."""
    left, low, right, top = np.array(offers).T[:, :, None]
    others = np.array(taken).T[:, None, :]
    across = np.minimum(right, others[2]) - np.maximum(left, others[0])
    up = np.minimum(top, others[3]) - np.maximum(low, others[1])
    covered = (across.clip(0) * up.clip(0)).sum(1)
    outside = (-left).clip(0) + (right - wide).clip(0)
    outside += (EDGE - low).clip(0) + (top + EDGE - high).clip(0)
    return covered + 10 * outside[:, 0]
