"""Is REMUL more than augmentation? Plain, augment and REMUL at equal steps and equal compute."""

from collections.abc import Iterator

from bench import Run
from bench.sweeps._small import AUGMENT, PLAIN, STEPS, TRANSFORMER, remul, seeded


def runs() -> Iterator[Run]:
    """All at one length; augment at twice, REMUL at half of it: a REMUL step is two passes."""
    methods = (PLAIN, AUGMENT, remul(1.0), remul(10.0))
    return seeded(
        *[(TRANSFORMER, method, STEPS) for method in methods],
        (TRANSFORMER, AUGMENT, 2 * STEPS),
        *[(TRANSFORMER, remul(beta), STEPS // 2) for beta in (1.0, 10.0)],
    )
