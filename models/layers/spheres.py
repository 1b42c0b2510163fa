"""Functions on the sphere by their values at fixed points: grids, and fields on them and back."""

from math import pi, sqrt

import torch
from e3nn import o3
from torch import Tensor

from models.layers.fields import feature_fields
from remul.constants import constant
from remul.fields import Types
from remul.rotations import CYCLE, FIFTH_TURN, GOLDEN, generate

ICOSAHEDRON = 12


@constant
def grid(count: int) -> Tensor:
    """Return points of the unit sphere, (count, 3), in float64.

    Twelve are the corners of an icosahedron, which its 60 rotations permute; other numbers lie
    evenly along a spiral (Fibonacci's lattice), which no rotation keeps.
    """
    if count == ICOSAHEDRON:
        corner = torch.tensor([1, 0, GOLDEN], dtype=torch.float64) / sqrt(2 + GOLDEN)
        corners = generate(CYCLE, FIFTH_TURN) @ corner
        return torch.stack([x for i, x in enumerate(corners) if _is_first(corners, i)])
    steps = torch.arange(count, dtype=torch.float64)
    height, angle = 1 - (2 * steps + 1) / count, 2 * pi * steps / GOLDEN
    width = (1 - height * height).sqrt()
    return torch.stack([width * angle.cos(), width * angle.sin(), height], -1)


def _is_first(points: Tensor, i: int) -> bool:
    return not (points[:i] - points[i]).norm(dim=-1).lt(1e-6).any()


def lifting(types: Types, points: Tensor) -> Tensor:
    """Return the matrix from features to functions on the points, (width, points irreps).

    An irrep v of degree l becomes the function <Y_l(n), v> of n, such as n v of a vector.
    """
    blocks = _list_harmonics(types, points)
    matrix = torch.block_diag(*blocks) if blocks else torch.zeros(0, 0)  # (width, irreps points)
    columns = matrix.unflatten(1, (-1, len(points))) if blocks else matrix.view(0, 0, 1)
    return columns.mT.flatten(1).double()


def lowering(types: Types, points: Tensor) -> Tensor:
    """Return the matrix from functions on the points to features: means of c(n) Y_l(n).

    Those are (points irreps, width). It inverts `lifting` but for what few points confuse.
    """
    degrees = torch.tensor([float(len(block)) for block in _list_harmonics(types, points)])
    matrix = lifting(types, points).mT
    return matrix * degrees.double().repeat(len(points)).unsqueeze(-1) / len(points)


def _list_harmonics(types: Types, points: Tensor) -> list[Tensor]:
    """Return for each irrep of the features its harmonics, (2 l + 1, points), of mean square 1."""
    degrees = [
        l for rep in feature_fields(types).values() for mul, l, _ in rep.chunks for _ in range(mul)
    ]
    return [o3.spherical_harmonics(l, points, True, normalization="norm").mT for l in degrees]
