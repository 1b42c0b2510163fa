"""Are baselines under-trained? Every optimiser at the best of six learning rates."""

from collections.abc import Iterator
from dataclasses import replace

from bench import Plugin, Run
from bench.core.config import OPTIMISERS
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, TRANSFORMER, remul, seeded

STEPS = 500
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)  # the budget of every row
SEEDS = 5
SEGNN = Plugin("segnn", {"channels": 16, "layers": 2})
CELLS = (
    (TRANSFORMER, remul(10.0), STEPS),
    (TRANSFORMER, AUGMENT, 2 * STEPS),
    (EGNN, PLAIN, STEPS),
    (SEGNN, PLAIN, STEPS),
)


def runs() -> Iterator[Run]:
    """Transformer with remul and augment twice, egnn, segnn, each x optimiser x learning rate."""
    for run in seeded(*CELLS, seeds=SEEDS):
        for optimiser in OPTIMISERS:
            yield from (replace(run, optimiser=optimiser, lr=lr) for lr in RATES)
