"""Where does an exact network stop being ahead? Gravity with up to a hundred times the samples."""

from collections.abc import Iterator
from dataclasses import replace

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, TASK, TRANSFORMER, remul, seeded

SAMPLES = (100, 1000, 10_000)
STEPS = 20_000
CELLS = (
    (TRANSFORMER, PLAIN, STEPS),
    (TRANSFORMER, AUGMENT, 2 * STEPS),
    (TRANSFORMER, remul(10.0), STEPS),
    (EGNN, PLAIN, STEPS),
    (TRANSFORMER, Plugin("frames"), STEPS),
)


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment twice, remul, frames} and egnn, x samples."""
    for run in seeded(*CELLS):
        for samples in SAMPLES:
            yield replace(run, task=Plugin(TASK.stem, {**TASK.kwargs, "train": samples}))
