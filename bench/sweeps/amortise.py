"""Which invariances does a task need? Features for all sets of them, and a learned choice."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
TASKS = {  # and the network that fits its families and objects
    "two_rotations": {},
    "three_invariances": {"families": 3, "objects": 3},
}
SIZE = {"validations": 2, "batch_size": 60}


def runs() -> Iterator[Run]:
    """Planar vectors, and clouds x amortised invariance, which has the best fixed set beside it."""
    method = Plugin("amortise", {"labelled": 160})
    for seed in range(SEEDS):
        for task, options in TASKS.items():
            model = Plugin("discovery/hyper", options)
            yield Run(Plugin(task), model, method, 2600, lr=2e-3, seed=seed, **SIZE)
