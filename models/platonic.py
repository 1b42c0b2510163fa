"""A Transformer whose weights are shared over the rotations of a solid, for which it is exact.

Features are functions on the group, one value for each rotation, and every map is a convolution
over it. The work is that of a plain Transformer of the whole width; of the weights there are
1/12, 1/24 or 1/60.
"""

from functools import partial

import torch
from torch import Tensor, nn

from models.layers.blocks import Block, attention_bias
from models.layers.fields import (
    centroid,
    check_outputs,
    count_pair_scalars,
    feature_fields,
    pack,
    refuse_cell,
    unpack,
    width,
)
from models.layers.padding import call_padded
from remul import groups
from remul.actions import wigner
from remul.fields import Fields, Signature, Types

PAPER = {"channels": 48, "layers": 14, "heads": 3, "solid": "octahedron"}
SOLIDS = {
    "tetrahedron": groups.tetrahedral,
    "octahedron": groups.octahedral,
    "icosahedron": groups.icosahedral,
}


def build(
    signature: Signature,
    channels: int = 22,
    layers: int = 3,
    heads: int = 2,
    solid: str = "tetrahedron",
) -> "Platonic":
    """Return a Platonic Transformer (Islam et al. 2025) of so many channels for each rotation.

    An object's features are M g^-1 x for each of the 12, 24 or 60 rotations g of the `solid`, x all
    its fields, points from the centroid; outputs are means of g y(g). What departs: places are
    features, not rotary phases, and queries meet keys of all rotations, so a head has one pattern
    for all of them, as many heads as a plain Transformer's, and its speed. No biases but the first.
    Exact for the rotations of the solid and translations; other rotations it has to learn. Takes
    any irreps of objects and of the sample, of pairs 0e; fields are (batch, n, dim), ragged ones
    are padded inside. Raises `ValueError` if `heads` does not divide `channels`, for other solids,
    for other fields of pairs, and for a cell, which has no centroid.
    """
    if heads < 1 or channels % heads:
        raise ValueError(f"heads must divide channels, got {heads} heads, {channels} channels")
    if solid not in SOLIDS:
        raise ValueError(f"solids are {', '.join(SOLIDS)}, got {solid!r}")
    return Platonic(signature, channels, layers, heads, solid)


class GroupLinear(nn.Linear):
    """A convolution over the group: y(g) = sum over h of W(g^-1 h) x(h), no bias.

    `table` says where g^-1 h is among the rotations, (order, order); features are (..., channels
    order).
    """

    def __init__(self, table: Tensor, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in * len(table), channels_out, bias=False)
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        order = len(self.table)
        weight = self.weight.unflatten(1, (-1, order))[:, :, self.table]  # (out, in, g, h)
        return x @ weight.permute(1, 3, 0, 2).flatten(2).flatten(0, 1)


class Platonic(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, heads: int, solid: str
    ) -> None:
        super().__init__()
        self.signature = signature
        check_outputs(signature, "platonic")
        refuse_cell(signature, "platonic")
        rotations = torch.cat([g.rotation for g in SOLIDS[solid].elements()])
        for name, types in vars(signature).items():
            self.register_buffer(name, represent(types, rotations), persistent=False)
        attributes = count_pair_scalars(signature.inputs, "platonic")
        self.bias = nn.Linear(attributes, heads, bias=False) if attributes else None
        linear = partial(GroupLinear, _divide(rotations))
        self.embed = nn.Linear(width(signature.inputs), channels)
        self.blocks = nn.ModuleList(Block(channels, heads, linear) for _ in range(depth))
        self.readout = nn.Linear(channels, width(signature.outputs), bias=False)

    def forward(self, inputs: Fields) -> Fields:
        return call_padded(self.attend, inputs, self.signature)

    def attend(self, inputs: Fields) -> Fields:
        """Return the outputs of padded samples."""
        types = self.signature.inputs
        centre = centroid(inputs, types)
        packed = pack(inputs, types, centre)
        x, bias = self.lift(packed), attention_bias(inputs, types, self.bias)
        for block in self.blocks:
            x = block(x, bias)
        return unpack(inputs, self.lower(x), self.signature.outputs, centre)

    def lift(self, x: Tensor) -> Tensor:
        """Return M g^-1 x for each g, (batch, n, channels order), of features x."""
        matrix = torch.einsum("gij,cj->icg", self.inputs.to(x), self.embed.weight)
        return x @ matrix.flatten(1) + self.embed.bias.repeat_interleave(matrix.shape[-1])

    def lower(self, x: Tensor) -> Tensor:
        """Return the mean over g of g y(g), (batch, n, width)."""
        matrix = torch.einsum("gij,jc->cgi", self.outputs.to(x), self.readout.weight)
        return x @ (matrix.flatten(0, 1) / matrix.shape[1])


def represent(types: Types, rotations: Tensor) -> Tensor:
    """Return how rotations act on all features side by side, (order, width, width)."""
    chunks = [chunk for rep in feature_fields(types).values() for chunk in rep.chunks]
    blocks = [wigner(l, rotations) for mul, l, _ in chunks for _ in range(mul)]
    return torch.stack([torch.block_diag(*of_one) for of_one in zip(*blocks, strict=True)])


def _divide(rotations: Tensor) -> Tensor:
    """Return where g^-1 h is in the list of rotations, (order, order)."""
    quotients = (rotations.mT[:, None] @ rotations).flatten(2)  # (order, order, 9)
    return torch.cdist(quotients, rotations.flatten(1)[None]).argmin(-1)
