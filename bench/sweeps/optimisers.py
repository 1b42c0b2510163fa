"""Are baselines under-trained? Every optimiser at the best of four learning rates."""

from collections.abc import Iterator
from dataclasses import replace

from bench import Plugin, Run
from bench.core.config import OPTIMISERS
from bench.sweeps._small import EGNN, PLAIN, TRANSFORMER, remul, seeded

STEPS = 500
RATES = (3e-4, 1e-3, 3e-3, 1e-2)  # the budget of every row
SEGNN = Plugin("segnn", {"channels": 16, "layers": 2})
CELLS = ((TRANSFORMER, remul(10.0)), (EGNN, PLAIN), (SEGNN, PLAIN))


def runs() -> Iterator[Run]:
    """Transformer with remul, egnn and segnn, each x optimiser x learning rate."""
    for run in seeded(*[(*cell, STEPS) for cell in CELLS]):
        for optimiser in OPTIMISERS:
            yield from (replace(run, optimiser=optimiser, lr=lr) for lr in RATES)
