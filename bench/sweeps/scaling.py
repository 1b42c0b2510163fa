"""Does equivariance, asked for or built in, change how errors fall with compute and with data?"""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps._small import AUGMENT, DRIFT, PLAIN, SEEDS, remul

WIDTHS = (16, 32, 64)
STEPS = (100, 300, 900)
SAMPLES = 10_000  # so many that none is seen often
FEW = (100, 400, 1600)  # at the middle width and length
LEARNERS = (
    ("transformer", {"layers": 3, "heads": 4}, PLAIN),
    ("transformer", {"layers": 3, "heads": 4}, AUGMENT),
    ("transformer", {"layers": 3, "heads": 4}, remul(1.0)),
    ("egnn", {"layers": 3}, PLAIN),
)


def runs() -> Iterator[Run]:
    """Transformer x {plain, augment, remul} and egnn, x width x steps, and x samples; drift."""
    grid = [(width, steps, SAMPLES) for width in WIDTHS for steps in STEPS]
    grid += [(WIDTHS[1], STEPS[1], samples) for samples in FEW]
    for seed in range(SEEDS):
        for width, steps, samples in grid:
            for name, sizes, method in LEARNERS:
                model = Plugin(name, {"channels": width, **sizes})
                yield _run(_task(samples), model, method, steps, seed)
        for samples in (SAMPLES, *FEW):
            yield _run(_task(samples), DRIFT, PLAIN, STEPS[1], seed)


def _task(samples: int) -> Plugin:
    sizes = {"train": samples, "val": 300, "test": 1000}
    return Plugin("nbody_charged", {**sizes, "before": 0.0})


def _run(task: Plugin, model: Plugin, method: Plugin, steps: int, seed: int) -> Run:
    scored = {"validations": 5, "elements": 4, "samples": 100}
    return Run(task, model, method, steps, lr=3e-3, seed=seed, **scored)
