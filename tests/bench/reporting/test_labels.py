"""Names beside lines and points: none covers another."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.reporting.figures.labels import Label, label_ends, label_points, spread


@pytest.mark.parametrize(
    ("places", "spaced"),
    [
        ([], []),
        ([0.0, 1.0], [0.0, 1.0]),
        ([0.5, 0.5], [0.25, 0.75]),
        ([0.0, 0.0, 2.0], [-0.25, 0.25, 2.0]),
        ([0.0, 0.4, 0.5], [-0.2, 0.3, 0.8]),
    ],
)
def test_places_are_a_gap_apart_and_as_near_as_can_be(places, spaced):
    assert spread(places, 0.5) == pytest.approx(spaced)


def boxes(figure, ax):
    """Where the names are, in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    return [Text.get_window_extent(text, renderer) for text in ax.texts]  # without the leader


def overlaps(found):
    return [
        (one, other)
        for i, one in enumerate(found)
        for other in found[:i]
        if min(one.y1, other.y1) - max(one.y0, other.y0) > 2
        and min(one.x1, other.x1) - max(one.x0, other.x0) > 2
    ]


@pytest.fixture
def axes():
    figure = Figure(figsize=(4, 3), layout="constrained")
    ax = figure.subplots()
    ax.set(xscale="log", yscale="log", xlim=(1, 100), ylim=(1, 100))
    return figure, ax


@pytest.mark.parametrize("place", [label_ends, label_points])
def test_no_name_covers_another(axes, place):
    figure, ax = axes
    heights = (3, 3, 3.1, 20, 20)
    place(ax, [Label(10, y, f"network {i}", "black") for i, y in enumerate(heights)])
    found = boxes(figure, ax)
    assert len(found) == len(heights)
    assert overlaps(found) == []


def test_a_name_that_would_cover_is_left_out_unless_it_must_be_there(axes):
    figure, ax = axes
    label_points(ax, [Label(10, 10, "n" * 20, "black", must=i == 0) for i in range(30)])
    assert 1 <= len(boxes(figure, ax)) < 10


@pytest.mark.parametrize(
    "points",
    [
        [(8.7, 9.4), (15.4, 10.6), (8.0, 7.9), (14.3, 7.8)],
        [(12.0, 10.8), (12.4, 10.2), (9.7, 8.2), (7.8, 12.0)],
        [(8.8, 9.3), (10.4, 7.0), (9.2, 6.3), (12.5, 13.8)],
    ],
)
def test_no_leader_crosses_a_name(axes, points):
    figure, ax = axes
    label_points(
        ax, [Label(*at, f"a network with name {i}", "black") for i, at in enumerate(points)]
    )
    found = boxes(figure, ax)
    led = [(text, box) for text, box in zip(ax.texts, found, strict=True) if text.arrow_patch]
    assert led
    for text, own in led:
        ends = [(own.x0 + own.x1) / 2, (own.y0 + own.y1) / 2], ax.transData.transform(text.xy)
        for share in np.linspace(0, 0.85, 50):
            x, y = (1 - share) * np.array(ends[0]) + share * ends[1]
            assert not any(b.contains(x, y) for b in found if b is not own)


def test_a_name_with_a_leader_stays_within_its_panel(axes):
    figure, ax = axes
    level = [(0.0, 60.0, 250.0, 100.0)]  # of names that stand already, all across the panel
    label_points(ax, [Label(10, 10, "a network with a long name", "black")], others=level)
    (name,) = boxes(figure, ax)
    panel = ax.get_window_extent()
    assert panel.x0 - 4 < name.x0
    assert name.x1 < panel.x1 + 4


@pytest.mark.parametrize(("must", "left"), [(False, ["above"]), (True, ["a low name", "above"])])
def test_a_name_level_with_its_point_keeps_off_lines(axes, must, left):
    _, ax = axes
    names = [Label(1, 3, "a low name", "black", must), Label(1, 50, "above", "black", must=False)]
    label_ends(ax, names, 2, [(3, 2, 3, 4)])
    assert [text.get_text() for text in ax.texts] == left
