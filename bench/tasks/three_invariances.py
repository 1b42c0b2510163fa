"""Clouds of points and three questions, each of which needs other invariances."""

import torch
from torch import Generator
from torch.nn.functional import mse_loss, one_hot

from bench import Task
from bench.data.invariances import (
    QUADRANTS,
    TRANSLATIONS,
    descriptor_scores,
    find_quadrant,
)
from remul import POINT, SO3, Batch, Rep, Signature
from remul.groups import permutations

POINTS = 3
RIGHT = {"size": (1, 1, 1), "farthest": (1, 1, 0), "place": (0, 0, 1)}  # of FAMILIES
FAMILIES = {"rotation": SO3, "translation": TRANSLATIONS, "order": permutations}
BOUND = 5.35  # the median of chi^2 of 6 degrees of freedom


def load(seed: int, train: int = 2000, val: int = 500, test: int = 2000) -> Task:
    """Three points of N(0, 1); of which classes is the cloud?

    "size" is whether their squared distances from their mean sum to more than the median,
    "farthest" which point is the farthest from the mean, "place" the quadrant of the mean, seen
    from above. Classes are one-hot. Scores are those of `descriptor_scores`.
    """
    if min(train, val, test) < 1:
        raise ValueError(f"sizes have to be at least 1, got {(train, val, test)}")
    generator = Generator().manual_seed(seed)
    sizes = {"train": train, "val": val, "test": test}
    splits = {name: _draw(size, generator) for name, size in sizes.items()}
    classes = splits["test"].targets
    outputs = {name: Rep(f"{x.shape[1]}x0e", objects=0) for name, x in classes.items()}
    signature = Signature({"x": POINT}, outputs)
    scores = descriptor_scores(splits["test"], signature, RIGHT, FAMILIES)
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=None)


def _draw(size: int, generator: Generator) -> Batch:
    x = torch.randn(size, POINTS, 3, generator=generator)
    mean = x.mean(1, keepdim=True)
    square = (x - mean).square().sum(-1)  # (size, points)
    classes = {
        "size": one_hot((square.sum(-1) > BOUND).long(), 2),
        "farthest": one_hot(square.argmax(-1), POINTS),
        "place": one_hot(find_quadrant(mean[:, 0]), QUADRANTS),
    }
    return Batch({"x": x}, {name: labels.float() for name, labels in classes.items()})
