"""Molecules that tumble: does a plain graph network keep up with an exact one, and with REMUL?"""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
STEPS = 500 * 3  # the paper's epochs of three batches, here of 32 samples
MOLECULES = ("ethanol", "malonaldehyde", "naphthalene")
SIZE = {"channels": 32, "layers": 3}
GNN, EGNN = Plugin("gnn", SIZE), Plugin("egnn", SIZE)
PLAIN, DRIFT = Plugin("plain"), Plugin("drift", {"points": True})
EXACT = ((EGNN, PLAIN), (DRIFT, PLAIN))
METHODS = (
    PLAIN,
    Plugin("augment"),
    *[Plugin("remul", {"beta": beta}) for beta in (0.1, 1.0, 10.0)],
)


def runs() -> Iterator[Run]:
    """GNN x {plain, augment, remul}, egnn and drift on GFN2-xTB dynamics of three molecules."""
    size = {"batch_size": 32, "validations": 10, "elements": 10, "samples": 100}
    for seed in range(SEEDS):
        for molecule in MOLECULES:
            task = Plugin("md_gfn2", {"molecule": molecule})
            for model, method in [*[(GNN, method) for method in METHODS], *EXACT]:
                lr = 1e-2 if model is DRIFT else 1e-3  # two numbers, that have far to go
                yield Run(task, model, method, STEPS, lr=lr, seed=seed, **size)
