"""The loss around what plain training, augmentation and REMUL find, and around EGNN's minimum."""

from collections.abc import Iterator
from dataclasses import replace

from bench import Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, STEPS, TRANSFORMER, remul, seeded

POINTS = 21


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul} and egnn, one seed."""
    cells = [(TRANSFORMER, method, STEPS) for method in (PLAIN, AUGMENT, remul(1.0))]
    for run in seeded(*cells, (EGNN, PLAIN, STEPS), seeds=1):
        yield replace(run, surface=POINTS)
