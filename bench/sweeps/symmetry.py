"""Symmetry after training: average a Transformer over groups and frames."""

from collections.abc import Iterator
from dataclasses import replace

from bench import Run
from bench.core.config import SYMMETRISE
from bench.sweeps._small import EGNN, PLAIN, STEPS, TRANSFORMER, remul, seeded

FRAMES = ("none", "frame_average", "canonicalise")


def runs() -> Iterator[Run]:
    """Transformer x remul x every way to symmetrise, x plain with frames, beside egnn."""
    yield from seeded((EGNN, PLAIN, STEPS))
    for run in seeded((TRANSFORMER, remul(10.0), STEPS)):
        yield from (replace(run, symmetrise=how) for how in SYMMETRISE)
    for run in seeded((TRANSFORMER, PLAIN, STEPS)):
        yield from (replace(run, symmetrise=how) for how in FRAMES)
