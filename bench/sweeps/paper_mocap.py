"""Table 2 of REMUL in full: walk and run, published sizes, 2000 epochs; for a GPU."""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps.mocap import STICKS, methods, relaxations

SEEDS = 3
STEPS = 2000 * 17  # epochs of 17 batches: 198 or 200 samples, 12 at a time
TASKS = [Plugin("mocap", {"subject": subject}) for subject in ("walk", "run")]
NETWORKS = (
    Plugin("mlp", {"channels": 680, "layers": 3}),
    Plugin("transformer", {"channels": 384, "layers": 10, "heads": 8}),
)
EXACT = (
    Plugin("se3_transformer", {"channels": 8, "layers": 4, "heads": 1, "degree": 3}),
    Plugin("gatr", {"channels": 128, "multivectors": 16, "layers": 12, "heads": 8}),
    Plugin("egnn", {"channels": 64, "layers": 4}),
    Plugin("gmn", {"channels": 64, "layers": 4, "bars": STICKS}),
)
BETAS = (0.01, 0.1, 1.0, 10.0, 100.0)


def runs() -> Iterator[Run]:
    """MLP and Transformer x {plain, augment, remul} x {SO(3), about y}; EMLP, RPP, PER; exact."""
    cells = [(model, method) for model in NETWORKS for method in methods(BETAS)]
    cells += [(model, Plugin("plain")) for model in EXACT]
    cells += relaxations(680)
    for seed in range(SEEDS):
        for task in TASKS:
            for model, method in cells:
                yield Run(task, model, method, STEPS, batch_size=12, seed=seed)
