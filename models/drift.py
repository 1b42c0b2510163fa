"""The trivial predictor x + t v with a learned t: what every network has to beat."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from models.layers.fields import (
    centroid,
    check_points,
    join_by_l,
    multiplicities,
    origins,
    refuse_cell,
    split_by_l,
)
from models.layers.mlp import linear
from remul.fields import Fields, Signature

EQUIVARIANT = True
TRIVIAL = True


def build(signature: Signature, points: bool = False, turning: bool = False) -> "Drift":
    """Return the linear baseline of the EGNN paper (Satorras et al. 2021): x + t v.

    Each output vector is a sum of the input vectors with learned times t, zero at first. Points
    among the outputs start from the input point; output scalars are an affine map of the input
    scalars. With `points` input points, relative to the centroid, are among the vectors, so that a
    cloud may shrink: a x + t v. With `turning` so are, too, their part along their angular momentum
    L and L × x, so that it may turn as a rigid body does. Takes 0e and 1o; fields are
    (batch, n, dim). Raises `ValueError` for other irreps, where what is to turn has no point or no
    vector, and for points in a cell, which has no centroid.
    """
    return Drift(signature, points or turning, turning)


class Drift(nn.Module):
    def __init__(self, signature: Signature, points: bool, turning: bool) -> None:
        super().__init__()
        self.signature, self.turning = signature, turning
        inputs = signature.inputs.items()
        self.free = {name: rep for name, rep in inputs if not rep.affine}
        self.points = {name: rep for name, rep in inputs if rep.affine and points}
        check_points(signature, "drift")
        if points:
            refuse_cell(signature, "drift of points")
        muls_in, places = (multiplicities(x, 1, "drift") for x in (self.free, self.points))
        muls_out = multiplicities(signature.outputs, 1, "drift")
        if turning and not (muls_in[1] and places[1]):
            raise ValueError("what turns has a point and a vector among the inputs, its velocity")
        self.scalars = linear(muls_in[0], muls_out[0])
        vectors = muls_in[1] + places[1] * (3 if turning else 1)
        self.times = nn.Parameter(torch.zeros(muls_out[1], vectors))

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        scalars, v = split_by_l(inputs, self.free, centre, 1).values()
        x = split_by_l(inputs, self.points, centre, 1)[1]
        parts = [x, v, *(turn(x, v) if self.turning else ())]
        values = {0: self.scalars(scalars.squeeze(-1)).unsqueeze(-1)}
        values[1] = self.times @ torch.cat(parts, 2)
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))


def turn(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return the part of x along the angular momentum L of all objects, and L × x, per unit of L.

    x and v are (batch, n, mul, 3), from the centroid; masses are alike.
    """
    momentum = torch.linalg.cross(x[:, :, :1], v[:, :, :1]).sum(1, keepdim=True)
    axis = normalize(momentum, dim=-1).expand_as(x)
    return (x * axis).sum(-1, keepdim=True) * axis, torch.linalg.cross(axis, x)
