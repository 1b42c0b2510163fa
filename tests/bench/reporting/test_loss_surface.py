"""Figures of the loss around trained networks."""

from bench.records.run_record import Surface
from bench.reporting.figures.loss_surface import surface

AT = [-1.0, 0.0, 1.0]
FLAT = Surface(AT, [0.1] * 3, [[0.1] * 3] * 3)
BOWL = Surface(AT, [0.4, 0.2, 0.4], [[0.8, 0.4, 0.8], [0.4, 0.2, 0.4], [0.8, 0.4, 0.8]])


def test_a_flat_map_is_drawn_beside_others():
    assert surface({"drift plain": FLAT, "egnn plain": BOWL}, "t")


def test_flat_maps_alone_are_no_figure():
    assert surface({"drift plain": FLAT}, "t") is None
