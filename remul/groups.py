"""Groups of rigid motions, each with one method: draw an element per sample."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import radians

import torch
from torch import Generator, Tensor

from remul.actions import Element
from remul.fields import Fields, batch_size

AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True)
class Group:
    """A distribution over E(3): how to rotate, whether to reflect and to translate.

    Rotations of the groups below are uniform (Haar measure of the group named), reflections come
    with probability 1/2, translations are standard normal in the units of the points.
    """

    rotations: Callable[[int, Generator], Tensor]
    reflects: bool = False
    translates: bool = False

    def sample(self, fields: Fields, generator: Generator) -> Element:
        """One element per sample of `fields`, drawn in float64 on the CPU from `generator`.

        Raises `ValueError` for empty fields or fields of different batch sizes.
        """
        size = batch_size(fields)
        rotation = self.rotations(size, generator)
        if self.reflects:
            sign = 1 - 2 * torch.randint(2, (size, 1, 1), generator=generator)
            rotation = rotation * sign
        translation = torch.zeros(size, 3, dtype=torch.float64)
        if self.translates:
            translation.normal_(generator=generator)
        return Element(rotation, translation)


def haar(size: int, generator: Generator) -> Tensor:
    """Uniform rotations (size, 3, 3), from normally distributed quaternions."""
    quaternion = torch.randn(size, 4, dtype=torch.float64, generator=generator)
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    entries = [
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(entries, -1).view(size, 3, 3)


def rotation_about(axis: Tensor, angle: Tensor) -> Tensor:
    """Rotations (batch, 3, 3) by `angle` (batch,), in radians, about unit vectors (batch, 3)."""
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(-1, 3, 3)
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    eye = torch.eye(3, dtype=axis.dtype, device=axis.device)
    return eye + sine * cross + (1 - cosine) * (cross @ cross)


def about_axis(axis: str) -> Group:
    """Rotations by a uniform angle about the coordinate axis "x", "y" or "z"."""
    if axis not in AXES:
        raise ValueError(f"no axis {axis!r}; there are x, y, z")
    return Group(partial(_about_fixed, AXES[axis]))


def cone(low_deg: float, high_deg: float) -> Group:
    """Rotations by an angle uniform in [low_deg, high_deg] about a uniformly random axis.

    Not a group unless it is all of SO(3), and not Haar then either: for data turned by a stated
    amount. Raises `ValueError` unless 0 <= low_deg <= high_deg <= 180.
    """
    if not 0 <= low_deg <= high_deg <= 180:
        raise ValueError(f"angles need 0 <= low <= high <= 180 degrees, got {low_deg}, {high_deg}")
    return Group(partial(_about_random, radians(low_deg), radians(high_deg)))


def _about_fixed(axis: int, size: int, generator: Generator) -> Tensor:
    direction = torch.eye(3, dtype=torch.float64)[axis].expand(size, 3)
    return rotation_about(direction, _uniform(0, 2 * torch.pi, size, generator))


def _about_random(low: float, high: float, size: int, generator: Generator) -> Tensor:
    direction = torch.randn(size, 3, dtype=torch.float64, generator=generator)
    direction = torch.nn.functional.normalize(direction, dim=-1)
    return rotation_about(direction, _uniform(low, high, size, generator))


def _uniform(low: float, high: float, size: int, generator: Generator) -> Tensor:
    return torch.empty(size, dtype=torch.float64).uniform_(low, high, generator=generator)


SO3 = Group(haar)
O3 = Group(haar, reflects=True)
SE3 = Group(haar, translates=True)
E3 = Group(haar, reflects=True, translates=True)
