"""Which symmetry is it? Every way to learn one, on linear maps whose symmetry is known."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
N = {"circulant": 8, "quarter_turns": 9, "planar": 8, "unstructured": 8, "mixed": 8}
SAMPLES = (20, 80)
SIZE = {"validations": 5, "elements": 5, "samples": 100, "batch_size": 20}
TIED, PATHWAYS = Plugin("discovery/tied"), Plugin("discovery/pathways")
CELLS = (  # model, method, steps, learning rate
    (TIED, Plugin("plain"), 400, 0.05),
    (TIED, Plugin("augment"), 400, 0.05),
    (TIED, Plugin("remul", {"beta": 10.0}), 400, 0.05),
    (PATHWAYS, Plugin("evidence", {"rate": 0.3}), 100, 0.1),
)
ADAPTING = {"rate": 0.1, "inner_steps": 5}
MANY = {**SIZE, "batch_size": 16, "decay": "cosine"}
SHARING = Plugin("sharing", {"strength": 0.01, "restarts": 2})


def runs() -> Iterator[Run]:
    """Five kinds of map x sample sizes x {plain, augment, remul, evidence, sharing, msr}."""
    for seed in range(SEEDS):
        for kind, n in N.items():
            for samples in SAMPLES:
                task = Plugin("linear_maps", {"kind": kind, "n": n, "train": samples})
                for model, method, steps, lr in CELLS:
                    yield Run(task, model, method, steps, lr=lr, seed=seed, **SIZE)
                tied = Plugin("discovery/tied", {"prototypes": 2 * n})
                yield Run(task, tied, SHARING, 200, lr=0.1, seed=seed, **SIZE)
                many = Plugin("many_maps", {"kind": kind, "n": n, "support": samples})
                msr = Plugin("discovery/msr", {**ADAPTING, "filters": n * n})
                yield Run(many, msr, Plugin("plain"), 400, lr=0.03, seed=seed, **MANY)
