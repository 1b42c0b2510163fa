"""The two ends of networks that move points: fields to scalars, points and vectors, and back."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    has_points,
    join_by_l,
    multiplicities,
    origins,
    split_by_l,
)
from models.layers.mlp import linear, mlp
from remul.fields import Fields, Signature


class Encoder(nn.Module):
    """Features of each object, of scalars and lengths of vectors; its point and its vectors.

    Raises `ValueError`, naming the model, for fields it cannot hold.
    """

    def __init__(self, signature: Signature, channels: int, model: str) -> None:
        super().__init__()
        check_points(signature, model)
        self.types = signature.inputs
        scalars, self.vectors = multiplicities(signature.inputs, 1, model).values()
        self.embed = linear(scalars + self.vectors, channels)

    def forward(self, inputs: Fields) -> tuple[Tensor, Tensor, Tensor]:
        """Return features (batch, n, channels), points (batch, n, 3), vectors (batch, n, k, 3)."""
        centre = centroid(inputs, self.types)
        scalars, v = split_by_l(inputs, self.types, centre, 1).values()
        h = self.embed(torch.cat([scalars.squeeze(-1), v.norm(dim=-1)], -1))
        return h, coordinates(inputs, self.types, centre), v


class Motion(NamedTuple):
    """What a layer can do about places: objects are `apart` before it, it `moves` them."""

    apart: bool
    moves: bool


def plan_motions(signature: Signature, depth: int, model: str) -> list[Motion]:
    """Return what each layer can do that has an effect on the outputs.

    Without input points all objects are at one place until vectors move them; the last layer moves
    them only for output vectors.
    """
    vectors_in = multiplicities(signature.inputs, 1, model)[1] > 0
    vectors_out = multiplicities(signature.outputs, 1, model)[1] > 0
    motions = []
    for layer in range(depth):
        apart = has_points(signature.inputs) or (vectors_in and layer > 0)
        used = vectors_out or layer < depth - 1
        motions.append(Motion(apart, used and (apart or vectors_in)))
    return motions


class Decoder(nn.Module):
    """Output scalars from features; output vectors from displacements and mixed input vectors.

    `moves` tells whether there are displacements, or all of them are zero.
    Raises `ValueError`, naming the model, for fields it cannot make.
    """

    def __init__(self, signature: Signature, channels: int, moves: bool, model: str) -> None:
        super().__init__()
        self.signature, self.moves = signature, moves
        vectors_in = multiplicities(signature.inputs, 1, model)[1]
        scalars, self.vectors = multiplicities(signature.outputs, 1, model).values()
        self.scalars = mlp(channels, channels, scalars)
        self.mix = mlp(channels, channels, self.vectors * (vectors_in + moves))

    def forward(self, inputs: Fields, h: Tensor, displacement: Tensor, v: Tensor) -> Fields:
        """Return the outputs, given displacements (batch, n, 3) and vectors (batch, n, k, 3)."""
        displacement = displacement.unsqueeze(2)
        v = torch.cat([displacement, v], 2) if self.moves else v
        mix = self.mix(h).unflatten(-1, (self.vectors, v.shape[2]))
        vectors = displacement + mix @ v  # (batch, n, mul out, 3)
        values = {0: self.scalars(h).unsqueeze(-1), 1: vectors}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))
