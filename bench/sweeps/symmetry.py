"""Symmetry after training: average the quick sweep's Transformer over groups and frames."""

from collections.abc import Iterator

from bench.config import SYMMETRISE, Plugin, Run
from bench.sweeps.quick import PLAIN, SEEDS, STEPS, TASK, TRANSFORMER, remul


def runs() -> Iterator[Run]:
    """Transformer x remul x every way to symmetrise, x plain with frames, beside egnn."""
    cells = [(remul(10.0), how) for how in SYMMETRISE]
    cells += [(PLAIN, how) for how in ("none", "frame_average", "canonicalise")]
    for seed in range(SEEDS):
        for method, how in cells:
            yield Run(TASK, TRANSFORMER, method, STEPS, lr=1e-3, seed=seed, symmetrise=how)
        yield Run(TASK, Plugin("egnn"), PLAIN, STEPS, lr=1e-3, seed=seed)
