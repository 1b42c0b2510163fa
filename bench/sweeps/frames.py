"""Exact by frames: in training and after it, after it alone, beside REMUL and an exact network."""

from collections.abc import Iterator
from dataclasses import replace

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, STEPS, TRANSFORMER, remul, seeded

TRAINED = (Plugin("frames"), Plugin("frames", {"kind": "canonical"}))
AFTERWARDS = ("frame_average", "canonicalise")


def runs() -> Iterator[Run]:
    """Transformer x {frames of both kinds}, x {plain, augment, remul} as is and wrapped; egnn."""
    cells = [(TRANSFORMER, method, STEPS) for method in TRAINED]
    yield from seeded(*cells, (EGNN, PLAIN, STEPS))
    for run in seeded(*[(TRANSFORMER, m, STEPS) for m in (PLAIN, AUGMENT, remul(10.0))]):
        yield run
        yield from (replace(run, symmetrise=how) for how in AFTERWARDS)
