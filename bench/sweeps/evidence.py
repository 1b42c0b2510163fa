"""How free may each path be? Equivariant layers beside free ones, by marginal likelihood."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
SIZE = {"validations": 1, "elements": 5, "samples": 100}
KINDS = ("circulant", "unstructured", "mixed")
FIXED = {"likelihood": "categorical", "newton": False, "learn": False}
LEARNED = {**FIXED, "learn": True, "burn_in": 100, "every": 70, "updates": 8, "rate": 0.2}
CHARGED = {"train": 100, "val": 500, "test": 500, "field": 1.0}
NET = {"channels": 5, "kernel": 4}


def runs() -> Iterator[Run]:
    """Linear maps of three kinds; digits and quadrants by one path, both, and learned; bodies."""
    for seed in range(SEEDS):
        for kind in KINDS:
            task = Plugin("linear_maps", {"kind": kind})
            model, method = Plugin("discovery/pathways"), Plugin("evidence", {"rate": 0.3})
            yield Run(task, model, method, 100, lr=0.1, seed=seed, **SIZE)
        for where, train in ((False, 64), (True, 160)):
            task = Plugin("quadrants", {"where": where, "train": train})
            for options, method in cells():
                model = Plugin("discovery/pathways", {**NET, **options})
                yield Run(task, model, Plugin("evidence", method), 600, lr=0.02, seed=seed, **SIZE)
        yield from bodies(seed)


def bodies(seed: int) -> Iterator[Run]:
    """An exact layer beside a free one, on bodies under gravity and on charges in a field."""
    method = {**LEARNED, "likelihood": "gaussian", "every": 20}
    gravity = Plugin("nbody_gravity", {"val": 500, "test": 500, "ood": 500})
    field = Plugin("nbody_charged", CHARGED)
    for task, objects in ((gravity, 4), (field, 5)):
        model = Plugin("discovery/cloud", {"objects": objects})
        yield Run(task, model, Plugin("evidence", method), 400, lr=0.01, seed=seed, **SIZE)


def cells() -> list[tuple[dict, dict]]:
    """Each path alone and both with fixed priors, and both, and a larger net, with learned ones."""
    alone = [({"paths": [path]}, FIXED) for path in ("conv", "free")]
    fixed = [({}, FIXED), ({}, {**FIXED, "precision": 0.1})]
    factors = {**LEARNED, "curvature": "kronecker"}
    return [*alone, *fixed, ({}, LEARNED), ({"channels": 16}, factors)]
