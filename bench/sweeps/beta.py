"""How much equivariance is best? Every penalty over its range, from plain to augmentation."""

from collections.abc import Iterator

from bench.config import Plugin, Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, STEPS, TRANSFORMER, remul, seeded

BETAS = (0.01, 0.1, 1.0, 10.0)
LEVELS = (1e-2, 1e-3, 1e-4)


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul, ramp, gradnorm, dual}, and egnn as the exact one."""
    methods = (
        PLAIN,
        AUGMENT,
        *[remul(beta) for beta in BETAS],
        Plugin("ramp", {"beta": 10.0, "steps": STEPS}),
        Plugin("gradnorm"),
        *[Plugin("dual", {"level": level}) for level in LEVELS],
    )
    cells = [(TRANSFORMER, method, STEPS) for method in methods]
    return seeded(*cells, (EGNN, PLAIN, STEPS))
