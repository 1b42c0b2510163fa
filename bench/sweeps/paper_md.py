"""Table 3 of REMUL in full: eight molecules of MD17, published sizes, 500 epochs; for a GPU."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 3
STEPS = 500 * 3  # epochs of three batches: 500 samples, 200 at a time
MOLECULES = (
    "aspirin",
    "benzene",
    "ethanol",
    "malonaldehyde",
    "naphthalene",
    "salicylic",
    "toluene",
    "uracil",
)
SIZE = {"channels": 64, "layers": 4}
GNN, EGNN = Plugin("gnn", SIZE), Plugin("egnn", SIZE)
BETAS = (0.01, 0.1, 1.0, 10.0, 100.0)


def runs() -> Iterator[Run]:
    """GNN x {plain, augment, remul} and egnn on every molecule."""
    methods = [Plugin("plain"), Plugin("augment")]
    methods += [Plugin("remul", {"beta": beta}) for beta in BETAS]
    for seed in range(SEEDS):
        for molecule in MOLECULES:
            task = Plugin("md17", {"molecule": molecule})
            for model, method in [*[(GNN, method) for method in methods], (EGNN, methods[0])]:
                yield Run(task, model, method, STEPS, batch_size=200, lr=5e-4, seed=seed)
