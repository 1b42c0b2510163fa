"""Does length settle it? Gravity at the paper's 50,000 steps, every penalty, exact networks."""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, DRIFT, EGNN, PLAIN, TRANSFORMER, Cell, remul, seeded

STEPS = 50_000
SEEDS, LARGE_SEEDS = 5, 3
LARGE = Plugin("transformer", {"channels": 128, "layers": 4, "heads": 4})
GNN = Plugin("gnn")
LEVELS = (1e-2, 1e-3, 1e-4)
FUNCTIONAL = Plugin("remul", {"beta": 10.0, "variant": "functional"})


def runs() -> Iterator[Run]:
    """Transformer x every penalty, gnn x three, three exact networks and drift; a larger one."""
    yield from seeded(*_small(), seeds=SEEDS)
    yield from seeded(*_large(), seeds=LARGE_SEEDS)


def _small() -> list[Cell]:
    penalties = (remul(1.0), remul(100.0), Plugin("gradnorm"), FUNCTIONAL)
    duals = tuple(Plugin("dual", {"level": level}) for level in LEVELS)
    others = (EGNN, Plugin("nequip"), Plugin("painn"), DRIFT)
    return [
        (TRANSFORMER, PLAIN, STEPS),
        (TRANSFORMER, AUGMENT, STEPS),
        (TRANSFORMER, remul(10.0), STEPS),
        (TRANSFORMER, AUGMENT, 2 * STEPS),
        *[(TRANSFORMER, method, STEPS) for method in (*penalties, *duals)],
        (GNN, AUGMENT, STEPS),
        (GNN, AUGMENT, 2 * STEPS),
        (GNN, remul(10.0), STEPS),
        *[(model, PLAIN, STEPS) for model in others],
    ]


def _large() -> list[Cell]:
    return [(LARGE, AUGMENT, 2 * STEPS), (LARGE, remul(10.0), STEPS)]
