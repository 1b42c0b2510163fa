"""Charges at 3,000 samples and 300 epochs, with every network whose published error we know."""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, PLAIN, TRANSFORMER, remul
from bench.sweeps.charged import TASK

SEEDS = 5
STEPS = 9000
PUBLISHED = ("gnn", "egnn", "tfn", "se3_transformer", "radial_field", "drift")
NETWORKS = tuple(map(Plugin, (*PUBLISHED, "painn")))
METHODS = (PLAIN, AUGMENT, remul(1.0), remul(10.0))


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul}, augment at twice the steps, and the networks."""
    cells = [(TRANSFORMER, method, STEPS) for method in METHODS]
    cells += [(TRANSFORMER, AUGMENT, 2 * STEPS), *[(model, PLAIN, STEPS) for model in NETWORKS]]
    for seed in range(SEEDS):
        for model, method, steps in cells:
            yield Run(TASK, model, method, steps, batch_size=100, lr=1e-3, seed=seed)
