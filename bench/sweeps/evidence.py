"""How free may each path be? Equivariant layers beside free ones, by marginal likelihood."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
SIZE = {"validations": 1, "elements": 5, "samples": 100}
KINDS = ("circulant", "unstructured", "mixed")
FIXED = {"likelihood": "categorical", "newton": False, "precision": 0.1, "learn": False}
LEARNED = {**FIXED, "learn": True, "burn_in": 100, "every": 30, "updates": 10, "rate": 0.3}
NET = {"channels": 5, "kernel": 4}


def runs() -> Iterator[Run]:
    """Linear maps of three kinds, then digits and quadrants by one path, both, and learned."""
    for seed in range(SEEDS):
        for kind in KINDS:
            task = Plugin("linear_maps", {"kind": kind})
            model, method = Plugin("discovery/pathways"), Plugin("evidence")
            yield Run(task, model, method, 300, lr=0.1, seed=seed, **SIZE)
        for where, train in ((False, 64), (True, 160)):
            task = Plugin("quadrants", {"where": where, "train": train})
            for paths, method in cells():
                model = Plugin("discovery/pathways", {**NET, "paths": paths})
                yield Run(task, model, Plugin("evidence", method), 400, lr=0.02, seed=seed, **SIZE)


def cells() -> list[tuple[list[str], dict]]:
    """Each path alone and both with fixed priors, and both with priors that are learned."""
    both = ["conv", "free"]
    return [(["conv"], FIXED), (["free"], FIXED), (both, FIXED), (both, LEARNED)]
