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


def build(signature: Signature) -> "Drift":
    """Each output vector is a sum of the input vectors with learned times t, zero at first.

    Points among the outputs start from the input point; output scalars are an affine map of the
    input scalars. (The linear baseline of the EGNN paper, Satorras et al. 2021.) Takes 0e and 1o;
    fields are (batch, n, dim). Raises `ValueError` for other irreps.
    """
    return Drift(signature)


class Drift(nn.Module):
    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.signature = signature
        self.moving = {name: rep for name, rep in signature.inputs.items() if not rep.affine}
        check_points(signature, "drift")
        inputs = multiplicities(self.moving, 1, "drift")
        outputs = multiplicities(signature.outputs, 1, "drift")
        self.scalars = linear(inputs[0], outputs[0])
        self.times = nn.Parameter(torch.zeros(outputs[1], inputs[1]))

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        scalars, v = split_by_l(inputs, self.moving, centre, 1).values()
        values = {0: self.scalars(scalars.squeeze(-1)).unsqueeze(-1), 1: self.times @ v}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))
