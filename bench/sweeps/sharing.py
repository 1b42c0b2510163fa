"""Which weights are equal? Learned parameter sharing, with and without a discrete polish."""

from collections.abc import Iterator

from bench import Plugin, Run

SEEDS = 5
SIZE = {"batch_size": 64, "validations": 1, "elements": 2, "samples": 50}
MEANS = ((5, 1), (5, 2), (5, 3), (10, 1))  # numbers, groups
MAPS = ((4, 4), (4, 8), (5, 5), (5, 10), (6, 6), (6, 12))  # n, prototypes


def runs() -> Iterator[Run]:
    """Gaussian means and circulant maps x sharing with and without polish."""
    for seed in range(SEEDS):
        for count, groups in MEANS:
            task = Plugin("gaussian_means", {"count": count, "groups": groups})
            for method in methods(0.01):
                yield Run(task, Plugin("discovery/tied"), method, 1000, lr=0.02, seed=seed, **SIZE)
        for n, prototypes in MAPS:
            task = Plugin("linear_maps", {"n": n, "train": 50, "noise": 0.1, "weights": "steps"})
            model = Plugin("discovery/tied", {"prototypes": prototypes})
            for method in methods(0.03):
                yield Run(task, model, method, 600, lr=0.1, seed=seed, **SIZE)


def methods(strength: float) -> list[Plugin]:
    """Sharing with and without the polish."""
    return [Plugin("sharing", {"strength": strength, "polish": polish}) for polish in (True, False)]
