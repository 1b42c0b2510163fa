"""Table 8 of REMUL in full: EGNN's charged bodies, 10,000 epochs, published sizes; for a GPU."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 3
STEPS = 300_000  # 10,000 epochs of 3,000 samples in batches of 100
TASK = Plugin("nbody_charged")
UNCONSTRAINED = (Plugin("gnn"), Plugin("transformer"))
EQUIVARIANT = ("egnn", "evfn", "painn", "segnn", "se3_transformer", "tfn", "drift")
BETAS = (0.01, 0.1, 1.0, 10.0, 100.0)


def runs() -> Iterator[Run]:
    """gnn and Transformer x {plain, augment, remul}, and the equivariant networks."""
    methods = [Plugin("plain"), Plugin("augment")]
    methods += [Plugin("remul", {"beta": beta}) for beta in BETAS]
    for seed in range(SEEDS):
        for model in UNCONSTRAINED:
            for method in methods:
                yield Run(TASK, model, method, STEPS, batch_size=100, lr=5e-4, seed=seed)
        for name in EQUIVARIANT:
            model, plain = Plugin(name), Plugin("plain")
            yield Run(TASK, model, plain, STEPS, batch_size=100, lr=5e-4, seed=seed)
