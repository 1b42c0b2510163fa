"""Rotation matrices: about an axis, drawn at random, and all that two of them generate."""

from math import sqrt

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from remul.constants import constant

AXES = {"x": 0, "y": 1, "z": 2}
EXACT = {"dtype": torch.float64, "device": "cpu"}  # whatever the defaults are
LARGEST = 360  # elements of a finite group
ORTHOGONAL = 1e-12
SAME = 1e-9  # rotations that differ by less are one and the same
ROUND_OFF = 1e-15
Rows = tuple[tuple[float, ...], ...]


def rotation_about(axis: Tensor, angle: Tensor) -> Tensor:
    """Return rotations (batch, 3, 3) by an angle (batch,) in radians about unit vectors."""
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(-1, 3, 3)
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    eye = torch.eye(3, dtype=axis.dtype, device=axis.device)
    return eye + sine * cross + (1 - cosine) * (cross @ cross)


def rotation_about_axis(axis: str, angle: Tensor) -> Tensor:
    """Return rotations (batch, 3, 3) by `angle` (batch,), in radians, about "x", "y" or "z"."""
    return rotation_about(torch.eye(3, **EXACT)[AXES[axis]].expand(len(angle), 3), angle)


def draw_haar(size: int, generator: Generator) -> Tensor:
    """Draw uniform rotations (size, 3, 3), from normally distributed quaternions."""
    w, x, y, z = normalize(torch.randn(size, 4, **EXACT, generator=generator), dim=-1).unbind(-1)
    entries = [
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(entries, -1).view(size, 3, 3)


def draw_about_axis(axis: str, size: int, generator: Generator) -> Tensor:
    """Draw rotations (size, 3, 3) by a uniform angle about "x", "y" or "z"."""
    return rotation_about_axis(axis, _draw_angles(0, 2 * torch.pi, size, generator))


def draw_by_angle(low: float, high: float, size: int, generator: Generator) -> Tensor:
    """Draw rotations (size, 3, 3) by an angle uniform in [low, high] about a uniform axis."""
    axis = normalize(torch.randn(size, 3, **EXACT, generator=generator), dim=-1)
    return rotation_about(axis, _draw_angles(low, high, size, generator))


def _draw_angles(low: float, high: float, size: int, generator: Generator) -> Tensor:
    return torch.empty(size, **EXACT).uniform_(low, high, generator=generator)


def read_rotation(rows: Rows) -> Rows:
    """Return an orthogonal matrix as three rows of numbers; `ValueError` if it is none."""
    matrix = torch.as_tensor(rows, **EXACT)
    if matrix.shape != (3, 3):
        raise ValueError(f"a rotation is three rows of three numbers, got {tuple(matrix.shape)}")
    off = (matrix @ matrix.mT - torch.eye(3, **EXACT)).abs().max().item()
    if not off <= ORTHOGONAL:
        raise ValueError(
            f"a rotation is orthogonal to {ORTHOGONAL:g}, in float64; this one is off by {off:.1g}"
        )
    return tuple(map(tuple, matrix.tolist()))


@constant
def generate(first: Rows, second: Rows) -> Tensor:
    """Return all products of two rotations (order, 3, 3), in float64, without rounding errors.

    Raises `ValueError` if there are more than `LARGEST` of them.
    """
    generators = torch.tensor([first, second], **EXACT)
    rotations = torch.eye(3, **EXACT)[None]
    for i in range(LARGEST + 1):  # every product with the i-th joins those after it
        if i == len(rotations):
            return _snap(_polish(rotations))
        for product in generators @ rotations[i]:
            if (rotations - product).abs().amax((1, 2)).min() > SAME:
                rotations = torch.cat([rotations, product[None]])
    raise ValueError(f"two rotations that generate no finite group of at most {LARGEST} elements")


def _polish(rotations: Tensor) -> Tensor:
    """Return a group whose products are off by rounding errors as one that has only its own.

    Each g becomes the mean of (g h) h^-1 over the group, made orthogonal again: as a homomorphism
    that is nearer to an exact one by the square of the error (Grove, Karcher and Ruh 1974).
    """
    rows = rotations.flatten(1)
    nearest = [((g @ rotations).flatten(1) @ rows.mT).argmax(1) for g in rotations]  # by the trace
    left, _, right = torch.linalg.svd(
        torch.stack([(rotations[which] @ rotations.mT).mean(0) for which in nearest])
    )
    return left @ right


def _snap(rotation: Tensor) -> Tensor:
    """Take away the rounding error of entries that rotations of Platonic solids have."""
    exact = torch.tensor([0, 0.5, 1, GOLDEN / 2, (GOLDEN - 1) / 2], **EXACT)
    exact = torch.cat([exact, -exact[1:]])
    apart, nearest = (rotation.unsqueeze(-1) - exact).abs().min(-1)
    return torch.where(apart < ROUND_OFF, exact[nearest], rotation)


GOLDEN = (1 + sqrt(5)) / 2
CYCLE = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
HALF_TURN = ((-1, 0, 0), (0, -1, 0), (0, 0, 1))
QUARTER_TURN = ((0, -1, 0), (1, 0, 0), (0, 0, 1))
FIFTH_TURN = (
    (0.5, -GOLDEN / 2, (GOLDEN - 1) / 2),
    (GOLDEN / 2, (GOLDEN - 1) / 2, -0.5),
    ((GOLDEN - 1) / 2, 0.5, GOLDEN / 2),
)
