"""What is a symmetry worth, and what does breaking it cost? One network, its equivariance a switch.

Charged bodies, few and many samples of them, without a field and with one that the inputs do not
tell of: (field t^2 / 2)^2 / 3 of the error is then beyond every network without a direction.
"""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, DRIFT, PLAIN, SEEDS

STEPS = 2400
SAMPLES = (100, 1000)
FIELDS = (0.0, 0.5)
COPIES = Plugin("augment", {"copies": 8})


def runs() -> Iterator[Run]:
    """Rapidash for T(3), as is, augmented and wide; for SE(3), told a pose or scalars; drift."""
    free, exact = _network("translations"), _network("distances")
    cells = [
        (free, PLAIN),
        (free, COPIES),
        (free, AUGMENT),
        (_network("translations", channels=64), PLAIN),
    ]
    cells += [(exact, PLAIN), (_network("distances", pose=True), PLAIN)]
    cells += [(_network("distances", scalars=True), PLAIN), (DRIFT, PLAIN)]
    for seed in range(SEEDS):
        for train in SAMPLES:
            for field in FIELDS:
                for model, method in cells:
                    yield _run(_task(train, field), model, method, seed)


def _network(equivariance: str, channels: int = 32, **told: bool) -> Plugin:
    sizes = {"channels": channels, "layers": 3}
    return Plugin("rapidash", {"equivariance": equivariance, **sizes, **told})


def _task(train: int, field: float) -> Plugin:
    sizes = {"train": train, "val": 500, "test": 1000}
    return Plugin("nbody_charged", {**sizes, "before": 0.0, "field": field})


def _run(task: Plugin, model: Plugin, method: Plugin, seed: int) -> Run:
    scored = {"elements": 4, "samples": 100}
    return Run(task, model, method, STEPS, batch_size=50, lr=3e-3, seed=seed, **scored)
