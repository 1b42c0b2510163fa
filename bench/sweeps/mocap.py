"""Data with an up: is SO(3) or a rotation about y the symmetry to learn, and how much of it?"""

from collections.abc import Iterable, Iterator

from bench import Plugin, Run

SEEDS = 3
STEPS = 500
TASK = Plugin("mocap", {"subject": "walk"})
NETWORKS = (
    Plugin("mlp", {"channels": 128}),
    Plugin("transformer", {"channels": 32, "layers": 2, "heads": 4}),
)
RELAXED = (Plugin("plain"), Plugin("rpp"), Plugin("per"))
EGNN = Plugin("egnn", {"channels": 32, "layers": 2})
STICKS = ((0, 11), (2, 3), (7, 8), (12, 13), (17, 18), (24, 25))  # bones, as GMN chose them
GMN = Plugin("gmn", {"channels": 32, "layers": 2, "bars": STICKS})
TRIVIAL = tuple(Plugin("drift", {option: True}) for option in ("points", "turning"))
GROUPS = ("so3", "about_y")
BETAS = (0.1, 1.0, 10.0)


def methods(betas: Iterable[float]) -> Iterator[Plugin]:
    """Plain training, then augmentation and REMUL over either group."""
    yield Plugin("plain")
    for group in GROUPS:
        yield Plugin("augment", {"group": group})
        yield from (Plugin("remul", {"beta": beta, "group": group}) for beta in betas)


def relaxations(channels: int) -> Iterator[tuple[Plugin, Plugin]]:
    """Yield EMLP, exact and with a free path, by what is to keep that small."""
    yield Plugin("emlp", {"channels": channels}), RELAXED[0]
    for method in RELAXED:
        yield Plugin("emlp", {"channels": channels, "free": True}), method


def cells() -> Iterator[tuple[Plugin, Plugin]]:
    """MLP and Transformer x {plain, augment, remul} x {SO(3), about y}; EMLP, relaxed; exact."""
    for model in NETWORKS:
        yield from ((model, method) for method in methods(BETAS))
    yield from relaxations(128)
    yield from ((model, Plugin("plain")) for model in (EGNN, GMN, *TRIVIAL))


def train(steps: int, seeds: int) -> Iterator[Run]:
    """Train every network of `cells` for as many steps."""
    size = {"batch_size": 12, "validations": 10, "elements": 10, "samples": 100}
    for seed in range(seeds):
        for model, method in cells():
            lr = 0.3 if model in TRIVIAL else 1e-3  # a few numbers, that have far to go
            yield Run(TASK, model, method, steps, lr=lr, seed=seed, **size)


def runs() -> Iterator[Run]:
    """Every network, briefly."""
    yield from train(STEPS, SEEDS)
