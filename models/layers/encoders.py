"""The two ends of networks that move points: fields to scalars, points and vectors, and back."""

import torch
from torch import Tensor, nn

from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    join_by_l,
    multiplicities,
    origins,
    split_by_l,
)
from models.layers.mlp import linear, mlp
from remul.fields import Fields, Signature


class Reader(nn.Module):
    """Features of each object (batch, n, channels), of scalars and of the lengths of vectors.

    Raises `ValueError`, naming the model, for fields it cannot hold.
    """

    def __init__(self, signature: Signature, channels: int, model: str) -> None:
        super().__init__()
        check_points(signature, model)
        self.types = signature.inputs
        scalars, self.vectors = multiplicities(signature.inputs, 1, model).values()
        self.embed = linear(scalars + self.vectors, channels)

    def forward(self, inputs: Fields) -> tuple[Tensor, Tensor, Tensor]:
        """The features, the points (batch, n, 3) and the vectors (batch, n, vectors, 3)."""
        centre = centroid(inputs, self.types)
        scalars, v = split_by_l(inputs, self.types, centre, 1).values()
        h = self.embed(torch.cat([scalars.squeeze(-1), v.norm(dim=-1)], -1))
        return h, coordinates(inputs, self.types, centre), v


class Writer(nn.Module):
    """Scalars of the features, and vectors that are how far the points moved and a mix of inputs.

    Raises `ValueError`, naming the model, for fields it cannot make.
    """

    def __init__(self, signature: Signature, channels: int, vectors: int, model: str) -> None:
        super().__init__()
        self.signature = signature
        scalars, self.outputs = multiplicities(signature.outputs, 1, model).values()
        self.scalars = mlp(channels, channels, scalars)
        self.mix = mlp(channels, channels, self.outputs * (vectors + 1))

    def forward(self, inputs: Fields, h: Tensor, moved: Tensor, v: Tensor) -> Fields:
        """The outputs, `moved` (batch, n, 3) and `v` (batch, n, vectors, 3) being what turns."""
        moved = moved.unsqueeze(2)
        mix = self.mix(h).unflatten(-1, (self.outputs, v.shape[2] + 1))
        vectors = moved + mix @ torch.cat([moved, v], 2)  # (batch, n, outputs, 3)
        values = {0: self.scalars(h).unsqueeze(-1), 1: vectors}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))
