"""Which way do the two ends of a chain point? Far information along many bonds."""

import torch

from bench import Task
from bench.data.poses import bonds, draw_from, make_posed_task
from remul import POINT, Batch, Fields, Rep, Signature

SIGNATURE = Signature(
    {"position": POINT, "adjacency": Rep("0e", objects=2)}, {"label": Rep("0e", objects=0)}
)


def load(
    seed: int,
    train: int = 100,
    val: int = 100,
    test: int = 100,
    ood: int = 100,
    links: int = 4,
    turn_deg: float = 10.0,
    ood_deg: tuple[float, float] = (90.0, 180.0),
) -> Task:
    """The k-chains of Joshi et al. (2023), k = `links`: a straight line with an end at either side.

    Both ends point to one side (label 1), or one to each (label -1): a target of the whole
    sample, mean square 1. Inputs are position and `adjacency`, 1 for bonded pairs. Bonds are 1
    long; objects come in any order, turned as in `quadrupole`. Raises `ValueError` for sizes
    below 1, links below 2 and angles outside [0, 180].

    Known answers. Along bonds alone, invariant messages never tell the two apart (MSE 1), and
    equivariant ones need floor(k / 2) + 1 layers. A network over all pairs sees the distance of
    the ends and needs one layer; the bonds are then no more than an attribute.
    """
    if links < 2:
        raise ValueError(f"links have to be at least 2, got {links}")
    sizes = {"train": train, "val": val, "test": test, "ood": ood}
    label = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    draw = draw_from(Batch(structures(links), {"label": label}), SIGNATURE)
    return make_posed_task(draw, SIGNATURE, seed, sizes, turn_deg, ood_deg)


def structures(links: int) -> Fields:
    """The inputs of the two chains, in float64: ends on one side, ends on either side."""
    n = links + 2
    position = torch.zeros(2, n, 3, dtype=torch.float64)
    position[:, 1:-1, 1] = torch.arange(links, dtype=torch.float64)
    position[:, 0] = torch.tensor([0.8, -0.6, 0.0], dtype=torch.float64)
    position[:, -1] = torch.tensor([0.8, links - 0.4, 0.0], dtype=torch.float64)
    position[1, -1, 0] *= -1
    adjacency = bonds([(i, i + 1) for i in range(n - 1)], n)
    return {"position": position, "adjacency": adjacency.expand(2, -1, -1, -1)}
