"""Table 1 of REMUL in full: published sizes, 50,000 steps, the beta grid; for a GPU."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 3
TASK = Plugin("nbody_gravity")
TRANSFORMER = Plugin("transformer", {"channels": 384, "layers": 10, "heads": 8})
EXACT = (
    Plugin("egnn", {"channels": 64, "layers": 4}),
    Plugin("gatr", {"channels": 128, "multivectors": 16, "layers": 10, "heads": 8}),
    Plugin("se3_transformer", {"channels": 8, "layers": 4, "heads": 1, "degree": 3}),
)
TFN = Plugin("tfn", {"channels": 64, "layers": 4})
BETAS = (0.01, 0.1, 1.0, 10.0, 100.0)
STEPS = 50_000


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, augment at twice the steps, remul}, exact ones and drift."""
    methods = [Plugin("plain"), Plugin("augment")]
    methods += [Plugin("remul", {"beta": beta}) for beta in BETAS]
    for seed in range(SEEDS):
        for method in methods:
            yield Run(TASK, TRANSFORMER, method, STEPS, seed=seed)
        yield Run(TASK, TRANSFORMER, Plugin("augment"), 2 * STEPS, seed=seed)
        for model in (*EXACT, TFN, Plugin("drift")):
            yield Run(TASK, model, Plugin("plain"), STEPS, seed=seed)
