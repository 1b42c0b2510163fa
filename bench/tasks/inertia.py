"""The inertia tensor of clouds of 10 to 2,000 points: exact labels, samples of any size."""

from math import log

import torch
from torch import Generator, Tensor

from bench import Task
from bench.data.poses import make_posed_task
from remul import POINT, SCALAR, Batch, Rep, Signature, matrix_to_irreps

SHAPE = (1.0, 0.6, 0.3)  # a cloud's standard deviations along x, y and z, before it is turned
SIGNATURE = Signature({"mass": SCALAR, "position": POINT}, {"inertia": Rep("0e+2e", objects=0)})


def load(
    seed: int,
    train: int = 1000,
    val: int = 200,
    test: int = 200,
    ood: int = 200,
    smallest: int = 10,
    largest: int = 2000,
    turn_deg: float = 10.0,
    ood_deg: tuple[float, float] = (90.0, 180.0),
) -> Task:
    """Clouds of `smallest` to `largest` points, ragged, the logarithm of their number uniform.

    Points are from N(0, diag(1, 0.6, 0.3)^2), masses uniform in [0.5, 1.5]. The target, of the
    whole sample, is the inertia tensor about the centre of mass for each unit of mass, the mean of
    |r|^2 - r r^T weighted by mass, as 0e+2e. Units are arbitrary; fields are float32. Turned by
    angles uniform in [0, turn_deg] degrees about random axes, in the split "ood" by those in
    `ood_deg`. Raises `ValueError` for sizes below 1, for fewer than two points and angles outside
    [0, 180].
    """
    if not 2 <= smallest <= largest:
        raise ValueError(f"points need 2 <= smallest <= largest, got {smallest} and {largest}")

    def draw(size: int, generator: Generator) -> Batch:
        spread = torch.rand(size, dtype=torch.float64, generator=generator)
        powers = log(smallest) + spread * (log(largest + 1) - log(smallest))
        counts = powers.exp().long().clamp_max(largest)
        batch = torch.arange(size).repeat_interleave(counts)
        cloud = torch.randn(len(batch), 3, dtype=torch.float64, generator=generator)
        mass = 0.5 + torch.rand(len(batch), 1, dtype=torch.float64, generator=generator)
        fields = {"mass": mass, "position": cloud * cloud.new_tensor(SHAPE), "batch": batch}
        return Batch(fields, {"inertia": measure_inertia(**fields)}, {"inertia": 0})

    sizes = {"train": train, "val": val, "test": test, "ood": ood}
    return make_posed_task(draw, SIGNATURE, seed, sizes, turn_deg, ood_deg)


def measure_inertia(mass: Tensor, position: Tensor, batch: Tensor) -> Tensor:
    """Return the target of `load`, (samples, 6)."""
    weights = mass / _sum(mass, batch)[batch]
    r = position - _sum(weights * position, batch)[batch]
    products = (r[:, :, None] * r[:, None]).flatten(1)
    squared = r.square().sum(-1, keepdim=True) * torch.eye(3, dtype=r.dtype).flatten()
    return matrix_to_irreps(_sum(weights * (squared - products), batch).unflatten(-1, (3, 3)))


def _sum(x: Tensor, batch: Tensor) -> Tensor:
    """Return the sums over the points of each sample."""
    return x.new_zeros(int(batch[-1]) + 1, x.shape[-1]).index_add(0, batch, x)
