"""Transformer over objects, unconstrained: pre-LayerNorm, fused attention, no positions code."""

from torch import nn

from models.layers.blocks import Block, attention_bias
from models.layers.fields import (
    centroid,
    check_outputs,
    pack,
    pair_width,
    refuse_cell,
    unpack,
    width,
)
from models.layers.padding import call_padded
from remul.fields import Fields, Signature

PAPER = {"channels": 384, "layers": 10, "heads": 8}


def build(
    signature: Signature, channels: int = 128, layers: int = 4, heads: int = 4
) -> "Transformer":
    """Return the Transformer (Vaswani et al. 2017) of REMUL's experiments, whose size is `PAPER`.

    Every field is a feature of its object, points relative to the centroid, so the network commutes
    with translations and permutations but not with rotations. MLP ratio 2, GELU, LayerNorms
    without parameters, no dropout. Fields of pairs add a learned bias to the attention of each head
    (as in Graphormer, Ying et al. 2021), the same in all layers. Takes any irreps of objects, pairs
    and the whole sample; fields are (batch, n, dim), ragged ones are padded inside. Raises
    `ValueError` if `heads` does not divide `channels`, for fields of pairs among the outputs, and
    for a cell, which has no centroid.
    """
    if heads < 1 or channels % heads:
        raise ValueError(f"heads must divide channels, got {heads} heads, {channels} channels")
    return Transformer(signature, channels, layers, heads)


class Transformer(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, heads: int) -> None:
        super().__init__()
        self.signature = signature
        check_outputs(signature, "transformer")
        refuse_cell(signature, "transformer")
        attributes = pair_width(signature.inputs)
        self.bias = nn.Linear(attributes, heads, bias=False) if attributes else None
        self.embed = nn.Linear(width(signature.inputs), channels)
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(depth))
        self.readout = nn.Linear(channels, width(signature.outputs))

    def forward(self, inputs: Fields) -> Fields:
        return call_padded(self.attend, inputs, self.signature)

    def attend(self, inputs: Fields) -> Fields:
        """Return the outputs of padded samples."""
        centre = centroid(inputs, self.signature.inputs)
        x = self.embed(pack(inputs, self.signature.inputs, centre))
        bias = attention_bias(inputs, self.signature.inputs, self.bias)
        for block in self.blocks:
            x = block(x, bias)
        return unpack(inputs, self.readout(x), self.signature.outputs, centre)
