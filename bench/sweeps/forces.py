"""Forces: given directly or by an energy, plain, augmented, by REMUL, and by an exact network."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 3
STEPS = 1500
TASK = Plugin("md_gfn2_forces", {"molecule": "ethanol", "train": 10_000})
TRANSFORMER = {"channels": 64, "layers": 2}
PAINN = {"channels": 32, "layers": 2}
PLAIN = Plugin("plain")
METHODS = (PLAIN, Plugin("augment"), Plugin("remul"))
SIZE = {"batch_size": 32, "lr": 3e-3, "decay": "cosine", "validations": 10}
MEASURED = {"elements": 10, "samples": 100}


def runs(task: Plugin = TASK) -> Iterator[Run]:
    """Transformer x {plain, augment, remul} and painn, each direct and conservative."""
    for seed in range(SEEDS):
        for conservative in ({}, {"conservative": True}):
            transformer = Plugin("transformer", TRANSFORMER | conservative)
            painn = Plugin("painn", PAINN | conservative)
            for model, method in [*((transformer, m) for m in METHODS), (painn, PLAIN)]:
                yield Run(task, model, method, STEPS, seed=seed, **SIZE, **MEASURED)
