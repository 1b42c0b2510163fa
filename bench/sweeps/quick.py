"""Two cores, minutes: does a small Transformer with REMUL keep up with equivariant networks?"""

from collections.abc import Iterator

from bench.config import Plugin, Run

SEEDS = 3
TASK = Plugin("nbody_gravity", {"val": 500})
TRANSFORMER = Plugin("transformer", {"channels": 64, "layers": 4, "heads": 4})
STEPS = 1500
PLAIN = Plugin("plain")


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul}, egnn, tfn and drift, seed by seed."""
    for seed in range(SEEDS):
        for method in (PLAIN, Plugin("augment"), remul(1.0), remul(10.0)):
            yield Run(TASK, TRANSFORMER, method, STEPS, lr=1e-3, seed=seed)
        yield Run(TASK, TRANSFORMER, Plugin("augment"), 2 * STEPS, lr=1e-3, seed=seed)
        yield Run(TASK, Plugin("egnn"), PLAIN, STEPS, lr=1e-3, seed=seed)
        yield Run(TASK, Plugin("tfn", {"layers": 2}), PLAIN, STEPS, lr=1e-3, seed=seed)
        yield Run(TASK, Plugin("drift"), PLAIN, STEPS, lr=1e-3, seed=seed)


def remul(beta: float) -> Plugin:
    """REMUL with alpha = 1."""
    return Plugin("remul", {"beta": beta})
