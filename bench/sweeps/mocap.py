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


def runs() -> Iterator[Run]:
    """MLP and Transformer x {plain, augment, remul} x {SO(3), about y}; EMLP, relaxed; exact."""
    size = {"batch_size": 12, "lr": 1e-3, "validations": 10, "elements": 10, "samples": 100}
    for seed in range(SEEDS):
        for model in NETWORKS:
            for method in methods(BETAS):
                yield Run(TASK, model, method, STEPS, seed=seed, **size)
        for model, method in (*relaxations(128), (EGNN, Plugin("plain")), (GMN, Plugin("plain"))):
            yield Run(TASK, model, method, STEPS, seed=seed, **size)
