"""Molecules that tumble: does a plain graph network keep up with an exact one, and with REMUL?"""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
STEPS = 500 * 3  # the paper's epochs of three batches, here of 32 samples
MOLECULES = ("ethanol", "malonaldehyde", "naphthalene")
SIZE = {"channels": 32, "layers": 3}
GNN, EGNN = Plugin("gnn", SIZE), Plugin("egnn", SIZE)
SLIM = (Plugin("gatr_slim", SIZE), Plugin("gatr_slim"))  # with cross products: as large, larger
PLAIN = Plugin("plain")
TRIVIAL = tuple(Plugin("drift", {option: True}) for option in ("points", "turning"))
EXACT = tuple((model, PLAIN) for model in (EGNN, *SLIM, *TRIVIAL))
METHODS = (
    PLAIN,
    Plugin("augment"),
    *[Plugin("remul", {"beta": beta}) for beta in (0.1, 1.0, 10.0)],
)


def runs() -> Iterator[Run]:
    """GNN x {plain, augment, remul}, three exact networks and two of drift on three molecules."""
    size = {"batch_size": 32, "validations": 10, "elements": 10, "samples": 100}
    for seed in range(SEEDS):
        for molecule in MOLECULES:
            task = Plugin("md_gfn2", {"molecule": molecule})
            for model, method in [*[(GNN, method) for method in METHODS], *EXACT]:
                lr = 0.3 if model in TRIVIAL else 1e-3  # a few numbers, that have far to go
                yield Run(task, model, method, STEPS, lr=lr, seed=seed, **size)
