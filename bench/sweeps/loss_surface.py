"""The loss around what plain training, augmentation and REMUL find, and around EGNN's minimum."""

from collections.abc import Iterator

from bench.config import Plugin, Run
from bench.sweeps.quick import PLAIN, STEPS, TASK, TRANSFORMER, remul

POINTS = 21


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul} and egnn as in the quick sweep, one seed."""
    egnn = Plugin("egnn")
    cells = [(TRANSFORMER, m) for m in (PLAIN, Plugin("augment"), remul(1.0))] + [(egnn, PLAIN)]
    for model, method in cells:
        yield Run(TASK, model, method, STEPS, lr=1e-3, surface=POINTS)
