"""Two planar vectors and three questions: each needs another invariance."""

import torch
from torch import Generator
from torch.nn.functional import mse_loss, one_hot

from bench import Task
from bench.data.invariances import QUADRANTS, descriptor_scores, find_quadrant
from remul import Batch, PlanarGroup, Rep, Signature

RIGHT = {"first": (0, 1), "second": (1, 0), "lengths": (1, 1)}  # rotations of which do not matter
FAMILIES = {
    "u": PlanarGroup({"u": (1,), "w": (0, 0)}),
    "w": PlanarGroup({"u": (0, 0), "w": (1,)}),
}
RADIUS = 1.1774  # the median length of a vector of N(0, 1)


def load(seed: int, train: int = 2000, val: int = 500, test: int = 2000) -> Task:
    """Vectors u and w from N(0, 1) of the plane; which of three classes is the sample of?

    "first" is the quadrant in which u lies, "second" that of w, "lengths" whether u
    and w are longer than the median. Classes are one-hot. Scores are those of `descriptor_scores`.
    """
    if min(train, val, test) < 1:
        raise ValueError(f"sizes have to be at least 1, got {(train, val, test)}")
    generator = Generator().manual_seed(seed)
    sizes = {"train": train, "val": val, "test": test}
    splits = {name: _draw(size, generator) for name, size in sizes.items()}
    inputs = {name: Rep("2x0e", objects=0, space=name) for name in ("u", "w")}
    outputs = {
        name: Rep(f"{x.shape[1]}x0e", objects=0) for name, x in splits["test"].targets.items()
    }
    signature = Signature(inputs, outputs)
    scores = descriptor_scores(splits["test"], signature, RIGHT, FAMILIES)
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=None)


def _draw(size: int, generator: Generator) -> Batch:
    u, w = torch.randn(2, size, 2, generator=generator)
    longer = torch.stack([x.norm(dim=-1) > RADIUS for x in (u, w)], -1).long()
    classes = {
        "first": find_quadrant(u),
        "second": find_quadrant(w),
        "lengths": longer @ torch.tensor([2, 1]),
    }
    counts = {"first": QUADRANTS, "second": QUADRANTS, "lengths": 4}
    targets = {name: one_hot(label, counts[name]).float() for name, label in classes.items()}
    return Batch({"u": u, "w": w}, targets)
