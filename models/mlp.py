"""MLP over all objects of a sample side by side, unconstrained in every way."""

import torch
from torch import nn
from torch.nn.functional import pad

from models.layers.fields import (
    centroid,
    check_outputs,
    pack,
    pack_pairs,
    pair_width,
    refuse_cell,
    unpack,
    width,
)
from models.layers.mlp import mlp
from models.layers.padding import call_padded
from remul.fields import MASK, Fields, Signature

PAPER = {"channels": 680, "layers": 3}


def build(
    signature: Signature, channels: int = 256, layers: int = 3, objects: int = 32
) -> "ObjectsMLP":
    """Return an MLP with hidden layers of `channels` over all fields of all objects side by side.

    There is a place for each of up to `objects` objects; empty places and padded objects enter as
    zeros beside a presence flag. Points are relative to the centroid. Takes any irreps of objects,
    pairs and the whole sample; fields are (batch, n, dim), ragged ones are padded inside. Raises
    `ValueError` for fields of pairs among the outputs, for a cell, which has no centroid, and in
    the forward pass for more than `objects` objects.
    """
    return ObjectsMLP(signature, channels, layers, objects)


class ObjectsMLP(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, objects: int) -> None:
        super().__init__()
        self.signature, self.objects = signature, objects
        check_outputs(signature, "mlp")
        refuse_cell(signature, "mlp")
        width_in = width(signature.inputs) + 1 + objects * pair_width(signature.inputs)
        self.net = mlp(objects * width_in, *[channels] * depth, objects * width(signature.outputs))

    def forward(self, inputs: Fields) -> Fields:
        return call_padded(self.fill_places, inputs, self.signature)

    def fill_places(self, inputs: Fields) -> Fields:
        """Return the outputs of padded samples."""
        centre = centroid(inputs, self.signature.inputs)
        x = pack(inputs, self.signature.inputs, centre)  # (batch, n, width)
        n = x.shape[1]
        if n > self.objects:
            raise ValueError(f"this mlp takes up to {self.objects} objects, got {n}; set objects")
        present = inputs[MASK].to(x) if MASK in inputs else torch.ones_like(x[..., :1])
        missing = self.objects - n
        x = pad(torch.cat([x, present], -1), (0, 0, 0, missing))  # (batch, objects, width + 1)
        pairs = pack_pairs(inputs, self.signature.inputs)
        if pairs is not None:
            pairs = pad(pairs, (0, 0, 0, missing, 0, missing))  # (batch, objects, objects, k)
            x = torch.cat([x, pairs.flatten(2)], -1)
        y = self.net(x.flatten(1)).unflatten(-1, (self.objects, -1))[:, :n]
        return unpack(inputs, y, self.signature.outputs, centre)
