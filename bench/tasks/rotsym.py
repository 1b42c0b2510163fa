"""Which way does a star of equal arms point? What degree a symmetric shape needs."""

from math import pi

import torch
from e3nn import o3
from torch import Tensor

from bench import Task
from bench.data.poses import bonds, draw_from, make_posed_task
from remul import POINT, Batch, Fields, Rep, Signature

INPUTS = {"position": POINT, "adjacency": Rep("0e", objects=2)}
HIGHEST = 11  # degree of the harmonics that e3nn has


def load(
    seed: int,
    train: int = 100,
    val: int = 100,
    test: int = 100,
    ood: int = 100,
    fold: int = 3,
    degree: int | None = None,
    turn_deg: float = 10.0,
    ood_deg: tuple[float, float] = (90.0, 180.0),
) -> Task:
    """The rotationally symmetric stars of Joshi et al. (2023): a centre and `fold` equal arms.

    The centre lies above the plane of the arms' ends, so that symmetry alone makes no vector
    vanish. Of two stars one is turned about its axis by half the angle between its arms. The
    target "direction" of the whole sample is the harmonic cos(degree phi) of the plane, of degree
    `degree`, at most `fold` and that if not given, in e3nn's basis; its negative for the turned
    star; mean square 1. Inputs are position and `adjacency`, 1 for bonded pairs. Arms are 1 long;
    objects come in any order, turned as in `quadrupole`. Raises `ValueError` for sizes below 1,
    fewer than two arms, other degrees, above 11 too, and angles outside [0, 180].

    Known answers. Whatever its layers, an exactly equivariant network answers a symmetric star
    with something as symmetric: below degree `fold` the same for both stars, MSE 1 at best. At
    degree `fold` one layer of harmonics of that degree tells them apart. A network that is not
    equivariant learns either from the pose, and fails in others below degree `fold`.
    """
    degree = fold if degree is None else degree
    if fold < 2 or not 1 <= degree <= min(fold, HIGHEST):
        limits = f"fold has to be from 2, degree from 1 to fold and {HIGHEST}"
        raise ValueError(f"{limits}, got {fold} and {degree}")
    sizes = {"train": train, "val": val, "test": test, "ood": ood}
    signature = Signature(INPUTS, {"direction": Rep(f"{degree}{'eo'[degree % 2]}", objects=0)})
    direction = torch.stack([harmonic(degree), -harmonic(degree)])
    draw = draw_from(Batch(structures(fold), {"direction": direction}), signature)
    return make_posed_task(draw, signature, seed, sizes, turn_deg, ood_deg)


def structures(fold: int) -> Fields:
    """The inputs of the two stars, in float64."""
    first = 2 * pi / fold * torch.arange(fold, dtype=torch.float64)
    position = torch.zeros(2, fold + 1, 3, dtype=torch.float64)
    position[:, 1:] = 0.8 * _circle(torch.stack([first, first + pi / fold]))
    position[:, 0, 2] = 0.6
    adjacency = bonds([(0, i) for i in range(1, fold + 1)], fold + 1)
    return {"position": position, "adjacency": adjacency.expand(2, -1, -1, -1)}


def harmonic(degree: int) -> Tensor:
    """cos(degree phi) in the xy-plane as a vector of e3nn's basis, mean square 1.

    What is left of the harmonics of 2 degree points on a circle whose signs alternate.
    """
    angle = pi / degree * torch.arange(2 * degree, dtype=torch.float64)
    values = o3.spherical_harmonics(degree, _circle(angle), normalize=True)
    found = (values * (degree * angle).cos().unsqueeze(-1)).sum(0)
    return found / found.square().mean().sqrt()


def _circle(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
