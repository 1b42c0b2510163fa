"""MLP of scalars and vectors over all objects side by side; exact for E(3), or relaxed."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.layers.fields import (
    centroid,
    check_points,
    count_pair_scalars,
    join_by_l,
    multiplicities,
    origins,
    pack_pairs,
    refuse_cell,
    split_by_l,
)
from models.layers.padding import call_padded
from models.layers.vector_mlp import Sizes, VectorLayer
from remul.fields import MASK, Fields, Signature

EQUIVARIANT = {"free": {False: True}}
PAPER = {"channels": 680, "layers": 3}


def build(
    signature: Signature,
    channels: int = 128,
    layers: int = 3,
    objects: int = 32,
    free: bool = False,
) -> "EquivariantMLP":
    """Return an equivariant MLP (EMLP, Finzi et al. 2021) for O(3), with hidden layers so wide.

    Half of the `channels` are scalars, half components of vectors, of all objects together: it
    knows objects apart, as `mlp` does, and does not commute with their permutations. There is a
    place for each of up to `objects` objects. Layers map irreps linearly, multiply vectors to
    scalars, and gate vectors. A `free` linear path beside each layer relaxes it, for the methods
    `rpp` and `per`. Points are relative to the centroid. Takes 0e and 1o, of pairs 0e; fields are
    (batch, n, dim), ragged ones are padded inside. Raises `ValueError` for other irreps, for a
    cell, and in the forward pass for more than `objects` objects.
    """
    return EquivariantMLP(signature, channels, layers, objects, free)


class EquivariantMLP(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, objects: int, free: bool
    ) -> None:
        super().__init__()
        self.signature, self.objects = signature, objects
        refuse_cell(signature, "emlp")
        check_points(signature, "emlp")
        pairs = count_pair_scalars(signature.inputs, "emlp")
        scalars, vectors = multiplicities(signature.inputs, 1, "emlp").values()
        entering = Sizes(objects * (scalars + 1 + objects * pairs), objects * vectors)
        out = Sizes(*multiplicities(signature.outputs, 1, "emlp").values())
        leaving = Sizes(*(objects * size for size in out))
        hidden = Sizes(channels // 2, max(1, channels // 6) if vectors or free else 0)
        sizes = [entering, *[hidden] * depth, leaving]
        self.layers = nn.ModuleList(
            VectorLayer(before, after, free, activate=after is not leaving)
            for before, after in pairwise(sizes)
        )

    def forward(self, inputs: Fields) -> Fields:
        return call_padded(self.fill_places, inputs, self.signature)

    def fill_places(self, inputs: Fields) -> Fields:
        """Return the outputs of padded samples."""
        types, outputs = self.signature.inputs, self.signature.outputs
        scalars, v = split_by_l(inputs, types, centroid(inputs, types), 1).values()
        n = v.shape[1]
        if n > self.objects:
            raise ValueError(f"this emlp takes up to {self.objects} objects, got {n}; set objects")
        present = inputs[MASK].to(v) if MASK in inputs else v.new_ones(*v.shape[:2], 1)
        s = self.place(torch.cat([scalars.squeeze(-1), present], -1))
        pairs = pack_pairs(inputs, types)
        if pairs is not None:
            missing = self.objects - n
            s = torch.cat([s, pad(pairs, (0, 0, 0, missing, 0, missing)).flatten(1)], -1)
        v = self.place(v.flatten(2)).unflatten(-1, (-1, 3))
        for layer in self.layers:
            s, v = layer(s, v)
        values = {
            0: s.unflatten(-1, (self.objects, -1))[:, :n].unsqueeze(-1),
            1: v.unflatten(1, (self.objects, -1))[:, :n],
        }
        return join_by_l(inputs, values, outputs, origins(inputs, self.signature))

    def place(self, x: Tensor) -> Tensor:
        """Return values of objects, (batch, n, k), side by side in all places: (batch, places)."""
        return pad(x, (0, 0, 0, self.objects - x.shape[1])).flatten(1)

    def prior(self, exact: float, free: float) -> Tensor:
        """Return -log of Gaussian priors of the exact and the free maps, of these precisions."""
        squares = [
            precision * weight.square().sum()
            for layer in self.layers
            for precision, weights in ((exact, layer.exact_weights()), (free, [layer.free.weight]))
            for weight in weights
        ]
        return torch.stack(squares).sum() / 2

    def asymmetry(self) -> Tensor:
        """Return the squared norm of what in the free maps commutes with no rotation."""
        parts = [layer.asymmetric_part().square().sum() for layer in self.layers]
        return torch.stack(parts).sum()
