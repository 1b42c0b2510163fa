"""Charges: does a plain network catch up with equivariant ones where the data lack nothing?"""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, SEEDS, TRANSFORMER, remul

STEPS = 1000
TASK = Plugin("nbody_charged", {"val": 500})
EQUIVARIANT = (EGNN, Plugin("painn"))


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul}, augment at twice the steps, and exact networks."""
    for seed in range(SEEDS):
        for method in (PLAIN, AUGMENT, remul(1.0), remul(10.0)):
            yield _run(TRANSFORMER, method, STEPS, seed)
        yield _run(TRANSFORMER, AUGMENT, 2 * STEPS, seed)
        for model in EQUIVARIANT:
            yield _run(model, PLAIN, STEPS, seed)


def _run(model: Plugin, method: Plugin, steps: int, seed: int) -> Run:
    return Run(TASK, model, method, steps, batch_size=100, lr=1e-3, seed=seed)
