"""Table 1 of REMUL at published sizes after a fifth of its steps: a quarter of an hour of a GPU."""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps.paper_nbody import EXACT, SEEDS, TASK, TRANSFORMER

STEPS = 10_000
BETAS = (1.0, 10.0)


def runs() -> Iterator[Run]:
    """Transformer x {augment at twice the steps, plain, augment, remul}, exact ones and drift."""
    plain, augment = Plugin("plain"), Plugin("augment")
    methods = (plain, augment, *[Plugin("remul", {"beta": beta}) for beta in BETAS])
    for seed in range(SEEDS):
        yield Run(TASK, TRANSFORMER, augment, 2 * STEPS, seed=seed)
        for method in methods:
            yield Run(TASK, TRANSFORMER, method, STEPS, seed=seed)
        for model in (*EXACT, Plugin("drift")):
            yield Run(TASK, model, plain, STEPS, seed=seed)
