"""The quadrupole of a cloud of charges: a target of degree 2."""

import torch
from torch import Generator, Tensor

from bench import Task
from bench.data.poses import make_posed_task
from remul import POINT, SCALAR, Batch, Rep, Signature

SHAPE = (1.0, 0.6, 0.3)  # a cloud's standard deviations along x, y and z, before it is turned
SIGNATURE = Signature(
    {"charge": SCALAR, "position": POINT},
    {"quadrupole": Rep("2e", objects=0), "size": Rep("0e", objects=0)},
)


def load(
    seed: int,
    train: int = 1000,
    val: int = 1000,
    test: int = 1000,
    ood: int = 1000,
    charges: int = 6,
    turn_deg: float = 10.0,
    ood_deg: tuple[float, float] = (90.0, 180.0),
) -> Task:
    """`charges` charges from N(0, 1) at points from N(0, diag(1, 0.6, 0.3)^2), then turned.

    The target of the whole sample is mean_k q_k Y(r_k), with r_k counted from the mean point: for
    "quadrupole" Y is the harmonic polynomial of degree 2 in e3nn's basis, |Y(r)| = |r|^2, for
    "size" it is |r|^2. Units are arbitrary; fields are float32, (samples, charges, dim) and
    (samples, dim). Turned by angles uniform in [0, turn_deg] degrees about random axes, in the
    split "ood" by those in `ood_deg`. Raises `ValueError` for sizes below 1, fewer than two
    charges and angles outside [0, 180].
    """
    if charges < 2:
        raise ValueError(f"charges have to be at least 2, got {charges}")

    def draw(size: int, generator: Generator) -> Batch:
        charge = torch.randn(size, charges, 1, dtype=torch.float64, generator=generator)
        cloud = torch.randn(size, charges, 3, dtype=torch.float64, generator=generator)
        position = cloud * cloud.new_tensor(SHAPE)
        return Batch({"charge": charge, "position": position}, moments(charge, position))

    sizes = {"train": train, "val": val, "test": test, "ood": ood}
    return make_posed_task(draw, SIGNATURE, seed, sizes, turn_deg, ood_deg)


def moments(charge: Tensor, position: Tensor) -> dict[str, Tensor]:
    """The targets of `load` for charge (batch, n, 1) and position (batch, n, 3)."""
    r = position - position.mean(1, keepdim=True)
    x, y, z = r.unbind(-1)
    harmonics = torch.stack(
        [
            3**0.5 * x * z,
            3**0.5 * x * y,
            y * y - (x * x + z * z) / 2,
            3**0.5 * y * z,
            3**0.5 / 2 * (z * z - x * x),
        ],
        -1,
    )
    squared = r.square().sum(-1, keepdim=True)
    return {"quadrupole": (charge * harmonics).mean(1), "size": (charge * squared).mean(1)}
