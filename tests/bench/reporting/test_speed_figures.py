"""Figures of the speed grid: a network that was timed at one size has no line, and wins nothing."""

import pytest

from bench.reporting.figures.speed.crossover import crossover
from bench.reporting.figures.speed.scaling import scaling
from bench.reporting.figures.speed.variants import ladder
from bench.reporting.figures.style import COLOURS

SIZES = ((5, 1), (5, 32), (20, 1), (20, 32))
TIMES = {"transformer": 2.0, "egnn": 4.0, "emlp": 1.0}


@pytest.fixture
def rows():
    """`emlp`, the fastest, was timed at one size alone."""
    return [
        {
            "model": model, "equivariant": model != "transformer", "nodes": nodes, "batch": batch,
            **{f"{kind}_ms": ms for kind in ("inference", "train_step")},
            **{f"{kind}_x_unit": ms / 2 for kind in ("inference", "train_step")},
            **{f"{kind}_quality": "A" for kind in ("inference", "train_step")},
        }
        for model, ms in TIMES.items()
        for nodes, batch in (SIZES if model != "emlp" else SIZES[1:2])
    ]  # fmt: skip


def test_more_variants_than_colours_are_drawn(rows):
    many = [row | {"rung": f"variant {i}"} for row in rows for i in range(len(COLOURS) + 1)]
    assert ladder(many, "t")


def words(figure):
    return " ".join(text.get_text() for ax in figure.axes for text in ax.texts)


def test_lines_are_of_networks_with_two_sizes(rows):
    said = words(scaling("nodes", "batch")(rows, "t"))
    assert "egnn" in said
    assert "emlp" not in said


def test_the_fastest_is_one_that_was_timed_at_most_sizes(rows):
    said = words(crossover(rows, "t"))
    assert said.count("egnn\n2") == 2 * len(SIZES)
    assert "emlp" not in said
