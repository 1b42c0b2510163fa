"""Names in figures and in their files, ticks of their axes."""

import pytest

from bench.reporting.figures.style import panels, set_plain_ticks, shorten, slug


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("nbody_charged(field=0.5, val=500)", "nbody_charged-field-0-5-val-500"),
        ("quadrants(train=64, where=False)", "quadrants-train-64-where-false"),
    ],
)
def test_a_usual_label_is_a_name_of_words(label, name):
    assert slug(label) == name


@pytest.mark.parametrize(
    ("label", "other"), [("t(x=0.5)", "t(x=-0.5)"), ("t(k=A)", "t(k=a)"), ("данные", "задача")]
)
def test_labels_that_differ_have_names_that_do(label, other):
    assert slug(label) != slug(other)


def test_a_label_of_other_letters_has_a_name():
    assert slug("данные").isalnum()


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("painn(channels=32, conservative=True) plain", "painn(32 conservative)"),
        ("gnn remul(beta=2) + frame_average", "gnn remul(2) + frames"),
    ],
)
def test_a_short_name_has_values_and_what_is_on(row, name):
    assert shorten(row) == name


@pytest.mark.parametrize(
    ("low", "high", "seen"),
    [
        (0.05, 40, ["0.1", "1", "10"]),
        (3, 80, ["5", "10", "20", "50"]),
        (0.7, 1.7, ["0.8", "1", "1.2", "1.4", "1.6"]),
    ],
)
def test_an_axis_of_decades_has_two_numbers_or_more(low, high, seen):
    figure, (ax,) = panels(1)
    ax.set(yscale="log", ylim=(low, high))
    set_plain_ticks(ax.yaxis, 1)
    figure.draw_without_rendering()
    texts = {float(tick.get_text()) for tick in ax.get_yticklabels()}
    assert sorted(value for value in texts if low <= value <= high) == [*map(float, seen)]
