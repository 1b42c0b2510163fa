"""What the CPU-sized sweeps share: one task, one Transformer, one length, three seeds."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 3
STEPS = 1500
TASK = Plugin("nbody_gravity", {"val": 500})
TRANSFORMER = Plugin("transformer", {"channels": 64, "layers": 4, "heads": 4})
EGNN = Plugin("egnn")
TFN = Plugin("tfn", {"layers": 2})
DRIFT = Plugin("drift")  # what all have to beat
PLAIN, AUGMENT = Plugin("plain"), Plugin("augment")
MOVING = (
    Plugin("ramp", {"beta": 10.0, "steps": STEPS}),
    Plugin("gradnorm"),
    *[Plugin("dual", {"level": level}) for level in (1e-2, 1e-3, 1e-4)],
)
Cell = tuple[Plugin, Plugin, int]


def remul(beta: float) -> Plugin:
    """REMUL with alpha = 1."""
    return Plugin("remul", {"beta": beta})


def seeded(*cells: Cell, seeds: int = SEEDS) -> Iterator[Run]:
    """Each (model, method, steps) with every seed, seed by seed."""
    for seed in range(seeds):
        for model, method, steps in cells:
            yield Run(TASK, model, method, steps, lr=1e-3, seed=seed)
