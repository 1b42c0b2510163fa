"""Which places count alike? Sharing in a network, by hypergradients."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
SIZE = {"validations": 2, "batch_size": 50}
METHODS = (
    (Plugin("bilevel", {"inner_steps": 20}), 100),
    (Plugin("bilevel", {"inner_steps": 20, "solver": "cg"}), 100),
    (Plugin("plain"), 2000),
)


def runs() -> Iterator[Run]:
    """Sums with equal and alternating signs x {bilevel by two solvers, all weights at once}."""
    for seed in range(SEEDS):
        for signs in (False, True):
            task = Plugin("number_sums", {"signs": signs})
            for method, steps in METHODS:
                model = Plugin("discovery/position_wise")
                yield Run(task, model, method, steps, lr=1e-2, seed=seed, **SIZE)
