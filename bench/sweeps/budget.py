"""How many turned copies are enough? Augmentation by a budget of fixed ones, and without end."""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, STEPS, TRANSFORMER, remul, seeded

COPIES = (1, 2, 4, 8, 16, 64)


def runs() -> Iterator[Run]:
    """Transformer x {augment by copies, augment, remul}, and egnn, whose one pose is enough."""
    budgets = [Plugin("augment", {"copies": copies}) for copies in COPIES]
    methods = (*budgets, AUGMENT, remul(10.0))
    return seeded(*[(TRANSFORMER, method, STEPS) for method in methods], (EGNN, PLAIN, STEPS))
