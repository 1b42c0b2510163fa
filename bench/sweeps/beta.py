"""How much equivariance is best? Every penalty over its range, from plain to augmentation."""

from collections.abc import Iterator

from bench import Run
from bench.sweeps._small import (
    AUGMENT,
    EGNN,
    MOVING,
    PLAIN,
    STEPS,
    TRANSFORMER,
    remul,
    seeded,
)

BETAS = (0.01, 0.1, 1.0, 10.0)


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul, ramp, gradnorm, dual}, and egnn as the exact one."""
    methods = (PLAIN, AUGMENT, *map(remul, BETAS), *MOVING)
    return seeded(*[(TRANSFORMER, method, STEPS) for method in methods], (EGNN, PLAIN, STEPS))
