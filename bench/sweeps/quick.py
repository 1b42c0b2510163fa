"""Two cores, minutes: does a small Transformer with REMUL keep up with equivariant networks?"""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, EGNN, PLAIN, TFN, TRANSFORMER, remul, seeded

STEPS = 750  # fewer than the other sweeps have, so that a first answer takes four minutes


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, augment at twice the steps, remul}, egnn, tfn and drift."""
    return seeded(  # the longest first, so that no core waits for the other at the end
        (TRANSFORMER, AUGMENT, 2 * STEPS),
        (TRANSFORMER, remul(1.0), STEPS),
        (TRANSFORMER, remul(10.0), STEPS),
        (TRANSFORMER, AUGMENT, STEPS),
        (TRANSFORMER, PLAIN, STEPS),
        (EGNN, PLAIN, STEPS),
        (TFN, PLAIN, STEPS),
        (Plugin("drift"), PLAIN, STEPS),
    )
