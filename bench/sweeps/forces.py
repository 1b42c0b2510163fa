"""Forces: given directly or by an energy, plain, augmented, by REMUL, and by an exact network."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 3
STEPS = 3000
TASK = Plugin("md_gfn2_forces", {"molecule": "ethanol"})
METHODS = (Plugin("plain"), Plugin("augment"), Plugin("remul", {"beta": 10.0}))
SIZE = {"batch_size": 32, "lr": 1e-3, "validations": 20, "elements": 10, "samples": 100}


def runs() -> Iterator[Run]:
    """GNN x {plain, augment, remul} and egnn, each direct and conservative, on ethanol."""
    for seed in range(SEEDS):
        for conservative in ({}, {"conservative": True}):
            gnn = Plugin("gnn", {"channels": 32, "layers": 3} | conservative)
            egnn = Plugin("egnn", {"channels": 32, "layers": 3} | conservative)
            for model, method in [*[(gnn, method) for method in METHODS], (egnn, METHODS[0])]:
                yield Run(TASK, model, method, STEPS, seed=seed, **SIZE)
