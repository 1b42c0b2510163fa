"""Groups of rigid motions and of permutations: each can draw an element per sample."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import radians, sqrt

import torch
from torch import Generator, Tensor

from remul.actions import Element, Permutation
from remul.fields import MASK, Fields, batch_size

AXES = {"x": 0, "y": 1, "z": 2}
EXACT = {"dtype": torch.float64, "device": "cpu"}  # whatever the defaults are
Rows = tuple[tuple[float, ...], ...]


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
            sign = 1 - 2 * torch.randint(2, (size, 1, 1), generator=generator, device="cpu")
            rotation = rotation * sign
        translation = torch.zeros(size, 3, **EXACT)
        if self.translates:
            translation.normal_(generator=generator)
        return Element(rotation, translation)


@dataclass(frozen=True)
class FiniteGroup:
    """A finite group of rotations, given by two that generate it; all are equally likely.

    Averages over it are exact: those of the Platonic solids equal Haar averages of the irreps of
    degree 1 and 2 (tetrahedral), 1 to 3 (octahedral), 1 to 5 (icosahedral).
    """

    first: Rows
    second: Rows

    def elements(self) -> list[Element]:
        """Every rotation once, the identity first, each a single element for all samples."""
        origin = torch.zeros(1, 3, **EXACT)
        return [Element(r, origin) for r in _generated(self.first, self.second).split(1)]

    def sample(self, fields: Fields, generator: Generator) -> Element:
        """One element per sample of `fields`, as `Group.sample` draws it."""
        size, rotations = batch_size(fields), _generated(self.first, self.second)
        drawn = torch.randint(len(rotations), (size,), generator=generator, device="cpu")
        return Element(rotations[drawn], torch.zeros(size, 3, **EXACT))


@dataclass(frozen=True)
class Permutations:
    """All permutations of a sample's objects; padded objects stay in their places."""

    def sample(self, fields: Fields, generator: Generator) -> Permutation:
        """One uniform permutation per sample of `fields`, drawn on the CPU from `generator`.

        Raises `ValueError` for empty fields, different batch sizes, and fields without objects.
        """
        size = batch_size(fields)
        counts = [x.shape[1] for x in fields.values() if x.dim() > 2]
        if not counts:
            raise ValueError(f"no field has objects to permute; there are {', '.join(fields)}")
        key = torch.rand(size, counts[0], **EXACT, generator=generator)
        real = fields[MASK][..., 0].cpu().bool() if MASK in fields else torch.ones_like(key).bool()
        last = 1 + torch.arange(counts[0], device="cpu")
        shuffled = torch.where(real, key, last).argsort(1)
        places = (~real).int().argsort(dim=1, stable=True)  # real objects first, like `shuffled`
        return Permutation(torch.empty_like(places).scatter(1, places, shuffled))


def haar(size: int, generator: Generator) -> Tensor:
    """Uniform rotations (size, 3, 3), from normally distributed quaternions."""
    quaternion = torch.randn(size, 4, **EXACT, generator=generator)
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


def rotations_by_angle(low_deg: float, high_deg: float) -> Group:
    """Rotations by an angle uniform in [low_deg, high_deg] about a uniformly random axis.

    Not a group unless it is all of SO(3), and not Haar then either: for data turned by a stated
    amount. Raises `ValueError` unless 0 <= low_deg <= high_deg <= 180.
    """
    if not 0 <= low_deg <= high_deg <= 180:
        raise ValueError(f"angles need 0 <= low <= high <= 180 degrees, got {low_deg}, {high_deg}")
    return Group(partial(_about_random, radians(low_deg), radians(high_deg)))


def _about_fixed(axis: int, size: int, generator: Generator) -> Tensor:
    direction = torch.eye(3, **EXACT)[axis].expand(size, 3)
    return rotation_about(direction, _uniform(0, 2 * torch.pi, size, generator))


def _about_random(low: float, high: float, size: int, generator: Generator) -> Tensor:
    direction = torch.randn(size, 3, **EXACT, generator=generator)
    direction = torch.nn.functional.normalize(direction, dim=-1)
    return rotation_about(direction, _uniform(low, high, size, generator))


def _uniform(low: float, high: float, size: int, generator: Generator) -> Tensor:
    return torch.empty(size, **EXACT).uniform_(low, high, generator=generator)


@cache
def _generated(first: Rows, second: Rows) -> Tensor:
    """All products of two rotations (order, 3, 3), in float64, rounding errors removed."""
    generators = torch.tensor([first, second], **EXACT)
    found = [torch.eye(3, **EXACT)]
    for rotation in found:
        for product in _snapped(generators @ rotation):
            if not any(torch.equal(product, other) for other in found):
                found.append(product)
    return torch.stack(found)


def _snapped(rotation: Tensor) -> Tensor:
    """Entries moved to the nearest that a rotation of a Platonic solid can have."""
    exact = torch.tensor([0, 0.5, 1, GOLDEN / 2, (GOLDEN - 1) / 2], **EXACT)
    exact = torch.cat([exact, -exact[1:]])
    return exact[(rotation.unsqueeze(-1) - exact).abs().argmin(-1)]


GOLDEN = (1 + sqrt(5)) / 2
CYCLE = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
HALF_TURN = ((-1, 0, 0), (0, -1, 0), (0, 0, 1))
QUARTER_TURN = ((0, -1, 0), (1, 0, 0), (0, 0, 1))
FIFTH_TURN = (
    (0.5, -GOLDEN / 2, (GOLDEN - 1) / 2),
    (GOLDEN / 2, (GOLDEN - 1) / 2, -0.5),
    ((GOLDEN - 1) / 2, 0.5, GOLDEN / 2),
)

SO3 = Group(haar)
O3 = Group(haar, reflects=True)
SE3 = Group(haar, translates=True)
E3 = Group(haar, reflects=True, translates=True)

tetrahedral = FiniteGroup(CYCLE, HALF_TURN)
octahedral = FiniteGroup(CYCLE, QUARTER_TURN)
icosahedral = FiniteGroup(CYCLE, FIFTH_TURN)
permutations = Permutations()
