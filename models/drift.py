"""The trivial predictor x + t v with a learned t: what every network has to beat."""

import torch
from torch import nn

from models.layers.fields import (
    centroid,
    check_points,
    join_by_l,
    multiplicities,
    origins,
    split_by_l,
)
from models.layers.mlp import linear
from remul.fields import Fields, Signature

EQUIVARIANT = True
TRIVIAL = True


def build(signature: Signature, points: bool = False) -> "Drift":
    """Return the linear baseline of the EGNN paper (Satorras et al. 2021): x + t v.

    Each output vector is a sum of the input vectors with learned times t, zero at first. Points
    among the outputs start from the input point; output scalars are an affine map of the input
    scalars. With `points` input points, relative to the centroid, are among the vectors, so that a
    cloud may shrink: a x + t v. Takes 0e and 1o; fields are (batch, n, dim). Raises `ValueError`
    for other irreps.
    """
    return Drift(signature, points)


class Drift(nn.Module):
    def __init__(self, signature: Signature, points: bool) -> None:
        super().__init__()
        self.signature = signature
        inputs = signature.inputs.items()
        self.types = {name: rep for name, rep in inputs if points or not rep.affine}
        check_points(signature, "drift")
        muls_in = multiplicities(self.types, 1, "drift")
        muls_out = multiplicities(signature.outputs, 1, "drift")
        self.scalars = linear(muls_in[0], muls_out[0])
        self.times = nn.Parameter(torch.zeros(muls_out[1], muls_in[1]))

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        scalars, v = split_by_l(inputs, self.types, centre, 1).values()
        values = {0: self.scalars(scalars.squeeze(-1)).unsqueeze(-1), 1: self.times @ v}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))
