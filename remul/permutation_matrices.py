"""What generates groups that permute places: a ring, a set, a grid, each as matrices."""

from math import prod

import torch
from torch import Tensor

from remul.rotations import EXACT


def cyclic(n: int) -> list[Tensor]:
    """Return what generates the shifts of n places on a ring.

    Args:
        n: Places, 1 or more.

    Returns:
        One permutation matrix `(n, n)`.

    Raises:
        ValueError: For other numbers.

    Example:
        >>> len(MatrixGroup({"ring": cyclic(6)}))
        6
    """
    return [_permutation(_places(n).roll(1))]


def dihedral(n: int) -> list[Tensor]:
    """Return what generates the shifts and reversals of n places on a ring.

    Args:
        n: Places, 1 or more.

    Returns:
        Two permutation matrices `(n, n)`.

    Raises:
        ValueError: For other numbers.

    Example:
        >>> len(MatrixGroup({"ring": dihedral(4)}))
        8
    """
    return [*cyclic(n), _permutation(_places(n).flip(0))]


def symmetric(n: int) -> list[Tensor]:
    """Return what generates all permutations of n places.

    Args:
        n: Places, 1 or more; the group has n! elements, so no more than 6.

    Returns:
        Two permutation matrices `(n, n)`: a cycle and the exchange of two places.

    Raises:
        ValueError: For other numbers.

    Example:
        >>> len(MatrixGroup({"objects": symmetric(3)}))
        6
    """
    exchange = _places(n)
    exchange[:2] = exchange[:2].flip(0)
    return [*cyclic(n), _permutation(exchange)]


def shifts(height: int, width: int) -> list[Tensor]:
    """Return what generates the shifts of a grid whose edges are joined, pixels row by row.

    Args:
        height: Rows, 1 or more.
        width: Columns, 1 or more.

    Returns:
        Two permutation matrices `(height width, height width)`: one row down, one column right.

    Raises:
        ValueError: For other numbers.

    Example:
        >>> len(MatrixGroup({"image": shifts(3, 4)}))
        12
    """
    grid = _places(height, width)
    return [_permutation(grid.roll(1, axis).flatten()) for axis in (0, 1)]


def quarter_turns(side: int) -> list[Tensor]:
    """Return what generates the rotations of a square grid by right angles, pixels row by row.

    Args:
        side: Rows and columns, 1 or more.

    Returns:
        One permutation matrix `(side^2, side^2)`.

    Raises:
        ValueError: For other numbers.

    Example:
        >>> len(MatrixGroup({"image": quarter_turns(5)}))
        4
    """
    grid = _places(side, side)
    return [_permutation(grid.rot90().flatten())]


def _permutation(order: Tensor) -> Tensor:
    return torch.eye(len(order), **EXACT)[order]


def _places(*sides: int) -> Tensor:
    """Return the numbers of places on a line or a grid; `ValueError` for other numbers."""
    for n in sides:
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"places are counted by whole numbers from 1, got {n!r}")
    return torch.arange(prod(sides), device="cpu").view(sides)
