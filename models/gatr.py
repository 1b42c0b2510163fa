"""Geometric Algebra Transformer: multivectors of G(3,0,1) and scalars, exact for E(3)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.layers import geometric_algebra as algebra
from models.layers.attention import attend
from models.layers.blades import CENTRE, NOTHING, ODD, POINTS, VECTORS, Uses, find_places, plan
from models.layers.fields import (
    centroid,
    check_points,
    count_pair_scalars,
    join_by_l,
    multiplicities,
    object_fields,
    origins,
    pack_pairs,
    refuse_cell,
    split_by_l,
)
from models.layers.geometric_mlp import GeoMLP
from models.layers.lengths import narrow, widen
from models.layers.mlp import linear, scale_weights
from models.layers.multivectors import MultivectorLinear, Rows, normalise
from models.layers.padding import call_padded
from remul.fields import MASK, Fields, Signature, Types

EQUIVARIANT = True
PAPER = {"channels": 128, "multivectors": 16, "layers": 10, "heads": 8}
VERSION = 3
RESIDUAL = 0.1  # scale of what a block adds at first: products of products grow fast


def build(
    signature: Signature,
    channels: int = 32,
    multivectors: int | None = None,
    layers: int = 2,
    heads: int = 4,
) -> "GATr":
    """Return the Geometric Algebra Transformer (Brehmer et al. 2023), exact under reflections too.

    `channels` scalars and `multivectors` (by default a quarter of that) per object; multi-query
    attention with hidden widths doubled and distance-aware terms, MLP ratio 2, as in the authors'
    code. A point is e123 and its place from the centroid as trivector, a vector the same without
    e123; the centroid itself is a point. Each reflection turns the sign of a join; the authors undo
    that by a reference multivector, here the parities of the channels take it up. Takes 0e and 1o,
    of pairs 0e; fields are (batch, n, dim), ragged ones are padded inside. Raises `ValueError` for
    other irreps, for an odd number of multivectors, without a head, and for a cell, which has no
    centroid.
    """
    multivectors = 2 * (channels // 8) if multivectors is None else multivectors
    if multivectors < 2 or multivectors % 2 or heads < 1:
        raise ValueError(f"gatr needs heads and an even number of multivectors, got {multivectors}")
    return GATr(signature, channels, multivectors // 2, layers, heads)


class Attention(nn.Module):
    """Multi-query attention by invariant inner products and by distances of points."""

    def __init__(self, channels: int, half: int, heads: int, pair_scalars: int, uses: Uses) -> None:
        super().__init__()
        self.heads = heads
        width, hidden = max(2 * half // heads, 1), max(2 * channels // heads, 4)
        groups = heads + 2  # queries, then the one key and the one value of all heads
        self.rows = Rows(groups, width)
        self.project = MultivectorLinear(
            (Rows(1, half), self.rows),
            (channels, groups * hidden),
            (uses.x[None], torch.stack([*[uses.queries] * (heads + 1), uses.values])),
        )
        self.join_heads = MultivectorLinear(
            (Rows(heads, width), Rows(1, half)),
            (heads * hidden, channels),
            (torch.stack([uses.values] * heads), uses.joined[None]),
        )
        # Points of one parity alone need one weight, which also goes to the zeros of the other.
        parities = int(find_places(uses.queries)[4, 1].sum())
        distance_weights = torch.zeros(heads, parities, width)
        self.log_distance_weights = nn.Parameter(distance_weights) if parities else None
        self.bias = linear(pair_scalars, heads, bias=False) if pair_scalars else None

    def forward(
        self, x: Tensor, s: Tensor, size: torch.Size, pairs: Tensor | None, real: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        x, s = self.project(x, s)
        s = s.unflatten(1, (self.heads + 2, -1))
        # As they share key and value, the heads are more objects to one head: (batch, 1, n heads).
        batch, n = size
        q, k, v = (
            part.reshape(batch, 1, n * part.shape[1], part.shape[2])
            for part in self.split_heads(widen(x), widen(s))
        )
        bias = self.attention_bias(size, pairs, real, q.dtype)
        # float16 has no squared distances, and on a GPU autocast sums them in float32
        with torch.autocast(q.device.type, enabled=False):
            values = narrow(attend(q, k, narrow(v, q.dtype), bias), s.dtype)
        values = values.reshape(s.shape[0], self.heads, values.shape[-1])
        # Of each object and head multivectors, then scalars.
        hidden = values[..., 32 * self.rows.channels :].flatten(1)
        x = values.flatten(1).mT.contiguous().unflatten(0, (self.heads, -1))
        x = x[:, : 32 * self.rows.channels].unflatten(1, (8, -1)).transpose(0, 1)
        return self.join_heads(x.flatten(1, 2), hidden)

    def split_heads(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, (objects, heads, width), and each object's one key and value."""
        x = self.rows.split(x)
        # The inner product leaves out e0, where points have their places: hence the distances.
        # Their weights are under the other parity.
        euclidean = x[:, :-1, 0]
        distance = algebra.distance_query(x[7:, :-1, 0].flip(2), x[4:7, :-1, 1])
        distance_q, distance_k = distance[:, :-1], algebra.distance_key(distance[:, -1:])
        if self.log_distance_weights is not None:
            distance_q = distance_q * narrow(self.log_distance_weights.exp(), x.dtype).unsqueeze(-1)
        return (
            torch.cat([_objects_first(euclidean[:, :-1], distance_q), s[:, :-2]], -1),
            torch.cat([_objects_first(euclidean[:, -1:], distance_k), s[:, -2:-1]], -1),
            torch.cat([_objects_first(x[:, -1:]), s[:, -1:]], -1),
        )

    def attention_bias(
        self, size: torch.Size, pairs: Tensor | None, real: Tensor | None, dtype: torch.dtype
    ) -> Tensor | None:
        """Return what to add to the logits, (batch, 1, n heads, n), or the mask of real senders."""
        if self.bias is None:
            return None if real is None else real.unsqueeze(1)
        bias = self.bias(pairs).transpose(2, 3)  # (batch, n, heads, n)
        if real is not None:
            bias = bias.masked_fill(~real[:, None], -torch.inf)
        return narrow(bias.flatten(1, 2).unsqueeze(1), dtype)


def _objects_first(*parts: Tensor) -> Tensor:
    """Return components side by side: (k, groups, ..., objects) to (objects, groups, k ...)."""
    groups, objects = parts[0].shape[1], parts[0].shape[-1]
    x = torch.cat([part.transpose(0, 1).flatten(1, -2) for part in parts], 1)
    return x.flatten(0, 1).mT.contiguous().view(objects, groups, x.shape[1])


class Block(nn.Module):
    def __init__(self, channels: int, half: int, heads: int, pair_scalars: int, uses: Uses) -> None:
        super().__init__()
        self.scalars = uses.scalars
        self.attention = Attention(channels, half, heads, pair_scalars, uses)
        self.mlp = GeoMLP(channels, half, uses)
        scale_weights(self.attention.join_heads, RESIDUAL)
        scale_weights(self.mlp.reduce, RESIDUAL)

    def forward(
        self, x: Tensor, s: Tensor, size: torch.Size, pairs: Tensor | None, real: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        dx, ds = self.attention(*normalise(x, s), size, pairs, real)
        x, s = x + dx, s + ds
        dx, ds = self.mlp(*normalise(x, s))
        return x + dx, s + ds if self.scalars else s


class GATr(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, half: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.signature = signature
        check_points(signature, "gatr")
        refuse_cell(signature, "gatr")
        scalars, vectors = multiplicities(signature.inputs, 1, "gatr").values()
        muls_out = multiplicities(signature.outputs, 1, "gatr")
        pair_scalars = count_pair_scalars(signature.inputs, "gatr")
        e123 = torch.tensor(_weights_of_e123(signature.inputs))
        self.register_buffer("e123", e123, persistent=False)
        ins = [POINTS if affine else VECTORS for affine in e123[:-1]]
        ins = torch.stack([*ins, CENTRE])
        outs = ODD if muls_out[1] else NOTHING
        uses, first, last = plan(ins, outs, muls_out[0] > 0, depth)
        self.embed = MultivectorLinear(
            (Rows(vectors + 1, 1), Rows(1, half)),
            (scalars, channels * (depth > 0 or muls_out[0] > 0)),
            (ins, first[None]),
        )
        self.blocks = nn.ModuleList(Block(channels, half, heads, pair_scalars, use) for use in uses)
        read = last[1:7:3, :, 1, None].expand(-1, -1, half).flatten()  # grade x e0 x channel
        self.register_buffer("read", read.nonzero().squeeze(1), persistent=False)
        self.vectors = scale_weights(linear(len(self.read), muls_out[1], bias=False), 1e-2)
        self.scalars = linear(channels, muls_out[0])

    def forward(self, inputs: Fields) -> Fields:
        return call_padded(self.attend, inputs, self.signature)

    def attend(self, inputs: Fields) -> Fields:
        """Return the outputs of padded samples."""
        x, s, size = self.encode(inputs)
        pairs = pack_pairs(inputs, self.signature.inputs)
        real = inputs[MASK].bool().mT if MASK in inputs else None  # (batch, 1, n)
        for block in self.blocks:
            x, s = block(x, s, size, pairs, real)
        return self.decode(inputs, x, s, size)

    def encode(self, inputs: Fields) -> tuple[Tensor, Tensor, torch.Size]:
        """Return multivectors (8, rows, objects), scalars (objects, channels), (batch, n)."""
        types = self.signature.inputs
        scalars, vectors = split_by_l(inputs, types, centroid(inputs, types), 1).values()
        size, s = vectors.shape[:2], scalars.flatten(0, 1).squeeze(-1)
        weights = self.e123[:, None, None, None].expand(1, -1, 1, 1, s.shape[0])
        places = vectors.flatten(0, 1).permute(2, 1, 0)[:, :, None, None]
        # To (blade, vector, e0, parity, object), of even multivectors, whose components with e0
        # are kept under the odd parity; not in place, as vmap may have batches of one alone.
        x = pad(weights, (0, 0, 0, 1, 0, 1, 0, 0, 7, 0))
        x = x + pad(places, (0, 0, 1, 0, 1, 0, 0, 1, 4, 1))
        return *self.embed(x.flatten(1, 3), s), size

    def decode(self, inputs: Fields, x: Tensor, s: Tensor, size: torch.Size) -> Fields:
        """Return the output fields, vectors from the odd components of grades 1 and 2 of space."""
        odd = x[1:7].view(2, 3, 2, 2, x.shape[1] // 4, s.shape[0])[:, :, :, 1]
        grade, axis, e0, channel, item = range(5)
        odd = odd.permute(item, axis, grade, e0, channel).flatten(2)
        odd = odd if len(self.read) == odd.shape[2] else odd[..., self.read]
        vectors = self.vectors(odd).mT  # (objects, outputs, 3)
        values = {0: self.scalars(s).unsqueeze(-1), 1: vectors}
        values = {l: value.unflatten(0, size) for l, value in values.items()}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))


def _weights_of_e123(types: Types) -> list[float]:
    """Return that of each input vector, then of the centroid: 1 makes a trivector a point."""
    chunks = [(rep, *chunk) for rep in object_fields(types).values() for chunk in rep.chunks]
    affine = [float(rep.affine) for rep, mul, l, _ in chunks for _ in range(mul * l)]
    return [*affine, 1.0]
