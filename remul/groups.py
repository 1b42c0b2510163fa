"""Groups of rigid motions and of permutations: each can draw an element per sample.

By its own name the module has four more: `groups.tetrahedral`, `groups.octahedral` and
`groups.icosahedral`, the 12, 24 and 60 rotations of the Platonic solids, each a `FiniteGroup`, and
`groups.permutations`, all orders of the objects of a sample, which draws a `Permutation`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import radians

import torch
from torch import Generator, Tensor

from remul.elements import Element, Permutation
from remul.fields import Fields
from remul.layouts import batch_size, layout_of
from remul.rotations import (
    AXES,
    CYCLE,
    EXACT,
    FIFTH_TURN,
    HALF_TURN,
    QUARTER_TURN,
    Rows,
    draw_about_axis,
    draw_by_angle,
    draw_haar,
    generate,
    read_rotation,
)
from remul.values import check_generator


@dataclass(frozen=True)
class Group:
    """A distribution over E(3): how to rotate, whether to reflect and to translate.

    Reflections come with probability 1/2, translations are standard normal.

    Args:
        rotations: Draws rotations `(size, 3, 3)` from a size and a generator.
        reflects: Whether half of the elements are reflections, of determinant -1.
        translates: Whether they move the origin, by about 1 in the units of the points.

    Example:
        >>> from remul.rotations import draw_haar
        >>> Group(draw_haar, translates=True) == SE3
        True
    """

    rotations: Callable[[int, Generator], Tensor]
    reflects: bool = False
    translates: bool = False

    def sample(self, fields: Fields, generator: Generator) -> Element:
        """Draw one element per sample of `fields`, in float64 on the CPU from `generator`.

        The same seed means the same elements on every device. Raises `ValueError` for empty fields,
        fields of different batch sizes, and what is no generator.
        """
        check_generator(generator)
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
    """A finite group of rotations, or of rotations and reflections, all of them equally likely.

    Averages over the rotations of the Platonic solids, `groups.tetrahedral`, `octahedral` and
    `icosahedral`, are Haar averages of the irreps of degree 1 to 2, 1 to 3 and 1 to 5.

    Args:
        first: A rotation or reflection as three rows of three numbers, in float64.
        second: Another; the two generate the group. A cyclic group has the same twice.

    Raises:
        ValueError: For rows that are not orthogonal matrices, and, as soon as elements are asked
            for, if the two generate more than 360 of them.

    Example:
        >>> from remul.rotations import HALF_TURN
        >>> len(FiniteGroup(HALF_TURN, HALF_TURN).elements())
        2
    """

    first: Rows
    second: Rows

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", read_rotation(self.first))
        object.__setattr__(self, "second", read_rotation(self.second))

    def elements(self) -> list[Element]:
        """Return every rotation once, the identity first, each a single element for all samples."""
        origin = torch.zeros(1, 3, **EXACT)
        return [Element(r, origin) for r in generate(self.first, self.second).split(1)]

    def sample(self, fields: Fields, generator: Generator) -> Element:
        """Draw one element per sample of `fields`, as `Group.sample` does."""
        check_generator(generator)
        size, rotations = batch_size(fields), generate(self.first, self.second)
        drawn = torch.randint(len(rotations), (size,), generator=generator, device="cpu")
        return Element(rotations[drawn], torch.zeros(size, 3, **EXACT))


@dataclass(frozen=True)
class Permutations:
    """All permutations of a sample's objects; padded objects stay in their places."""

    def sample(self, fields: Fields, generator: Generator) -> Permutation:
        """Draw one uniform permutation per sample of `fields`, on the CPU from `generator`.

        Raises `ValueError` as `Group.sample`, and for fields without objects.
        """
        check_generator(generator)
        real = layout_of(fields).real(fields).cpu()  # (batch, n)
        key = torch.rand(real.shape, **EXACT, generator=generator)
        last = 1 + torch.arange(real.shape[1], device="cpu")
        shuffled = torch.where(real, key, last).argsort(1)
        places = (~real).int().argsort(dim=1, stable=True)  # real objects first, like `shuffled`
        return Permutation(torch.empty_like(places).scatter(1, places, shuffled))


def about_axis(axis: str) -> Group:
    """Return the rotations about a coordinate axis, by a uniform angle.

    Args:
        axis: "x", "y" or "z".

    Returns:
        The group SO(2) about that axis.

    Raises:
        ValueError: For another axis.

    Example:
        >>> up = {"x": torch.tensor([[0.0, 0, 1]])}
        >>> g = about_axis("z").sample(up, generator)
        >>> act(g, up, {"x": VECTOR})["x"].tolist()
        [[0.0, 0.0, 1.0]]
    """
    if axis not in AXES:
        raise ValueError(f"no axis {axis!r}; there are x, y, z")
    return Group(partial(draw_about_axis, axis))


def rotations_by_angle(low_deg: float, high_deg: float) -> Group:
    """Return the rotations by an angle uniform in [low_deg, high_deg] about a uniform axis.

    Not a group unless it is all of SO(3), and not Haar then either: for data turned by a stated
    amount.

    Args:
        low_deg: The smallest angle, in degrees.
        high_deg: The largest angle, in degrees.

    Returns:
        What draws such rotations.

    Raises:
        ValueError: Unless 0 <= low_deg <= high_deg <= 180.

    Example:
        >>> rotation = rotations_by_angle(60, 60).sample(inputs, generator).rotation
        >>> [round(float(each.trace()), 3) for each in rotation]  # 1 + 2 cos(60 degrees)
        [2.0, 2.0, 2.0, 2.0, 2.0]
    """
    if not 0 <= low_deg <= high_deg <= 180:
        raise ValueError(f"angles need 0 <= low <= high <= 180 degrees, got {low_deg}, {high_deg}")
    return Group(partial(draw_by_angle, radians(low_deg), radians(high_deg)))


SO3 = Group(draw_haar)
"""All rotations, uniform (Haar measure).

Example:
    >>> SO3.sample(inputs, generator).rotation.shape
    torch.Size([5, 3, 3])
"""

O3 = Group(draw_haar, reflects=True)
"""All rotations and reflections, uniform (Haar measure).

Example:
    >>> O3.reflects, O3.translates
    (True, False)
"""

SE3 = Group(draw_haar, translates=True)
"""All rotations, uniform (Haar measure), with standard normal translations.

Example:
    >>> SE3.reflects, SE3.translates
    (False, True)
"""

E3 = Group(draw_haar, reflects=True, translates=True)
"""All rotations and reflections, uniform (Haar measure), with standard normal translations.

Example:
    >>> E3.reflects, E3.translates
    (True, True)
"""

tetrahedral = FiniteGroup(CYCLE, HALF_TURN)
octahedral = FiniteGroup(CYCLE, QUARTER_TURN)
icosahedral = FiniteGroup(CYCLE, FIFTH_TURN)
permutations = Permutations()
