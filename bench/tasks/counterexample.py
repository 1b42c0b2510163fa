"""Which of two neighbourhoods is it? They differ in nothing that few bodies at a time show."""

from math import pi

import torch

from bench import Task
from bench.data.poses import bonds, draw_from, make_posed_task
from remul import POINT, Batch, Fields, Rep, Signature

SIGNATURE = Signature(
    {"position": POINT, "adjacency": Rep("0e", objects=2)}, {"label": Rep("0e", objects=0)}
)
ANGLES_DEG = {  # of the neighbours of a centre, all at distance 1
    2: ((0, 60), (0, 120)),
    3: ((0, 45, 135, 180), (0, 45, 90, 225)),
}


def load(
    seed: int,
    train: int = 100,
    val: int = 100,
    test: int = 100,
    ood: int = 100,
    order: int = 3,
    turn_deg: float = 10.0,
    ood_deg: tuple[float, float] = (90.0, 180.0),
) -> Task:
    """Two neighbourhoods of one centre that no function of `order` bodies at a time tells apart.

    After the many-body counterexamples of Joshi et al. (2023), with pairs of our own: for order
    2 two neighbours with another angle between them, for order 3 a homometric pair (Patterson
    1944), four neighbours whose six angles are the same in both. The target "label" of the whole
    sample is 1 or -1. Inputs are position and `adjacency`, 1 between centre and neighbours, 1
    apart; objects come in any order, turned as in `quadrupole`. Raises `ValueError` for sizes
    below 1, orders other than 2 and 3 and angles outside [0, 180].

    Known answers. Sums over the neighbours of the centre of what distances (order 2) or pairs of
    neighbours and their angle (order 3) give are the same for both: MSE 1 at best. One body more
    tells them apart. So does any network in which the neighbours hear each other, as over all
    pairs: distances and one layer suffice.
    """
    if order not in ANGLES_DEG:
        raise ValueError(f"order has to be one of {', '.join(map(str, ANGLES_DEG))}, got {order}")
    sizes = {"train": train, "val": val, "test": test, "ood": ood}
    label = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    draw = draw_from(Batch(structures(order), {"label": label}), SIGNATURE)
    return make_posed_task(draw, SIGNATURE, seed, sizes, turn_deg, ood_deg)


def structures(order: int) -> Fields:
    """The inputs of the two neighbourhoods, in float64; the centre comes first."""
    angle = pi / 180 * torch.tensor(ANGLES_DEG[order], dtype=torch.float64)
    position = torch.zeros(2, angle.shape[1] + 1, 3, dtype=torch.float64)
    position[:, 1:, 0], position[:, 1:, 1] = angle.cos(), angle.sin()
    n = position.shape[1]
    adjacency = bonds([(0, i) for i in range(1, n)], n)
    return {"position": position, "adjacency": adjacency.expand(2, -1, -1, -1)}
