"""Which invariances does a task need? Features for all sets of them, and a learned choice."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
TASK = Plugin("two_rotations")
SIZE = {"validations": 2, "batch_size": 60}


def runs() -> Iterator[Run]:
    """Two planar vectors x amortised invariance, which has the best fixed set beside it."""
    for seed in range(SEEDS):
        model = Plugin("discovery/hyper")
        yield Run(TASK, model, Plugin("amortise"), 2600, lr=2e-3, seed=seed, **SIZE)
