"""A Transformer whose objects are scalars and vectors, the slim relative of GATr; exact for E(3).

The features of an object lie in one row, its scalars and then its vectors by component, so that a
norm, a residual and attention are one operation for both kinds.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, rms_norm

from models.layers.attention import attend
from models.layers.blocks import attention_bias
from models.layers.fields import (
    centroid,
    check_points,
    count_pair_scalars,
    join_by_l,
    multiplicities,
    origins,
    refuse_cell,
    split_by_l,
)
from models.layers.lengths import log_squared_length
from models.layers.mlp import linear, scale_weights
from models.layers.padding import call_padded
from models.layers.vector_mlp import Sizes
from remul.fields import Fields, Signature

EQUIVARIANT = True
TINY = 1e-2  # added to mean squares before their root


def build(
    signature: Signature,
    channels: int = 120,
    vectors: int | None = None,
    layers: int = 4,
    heads: int = 4,
) -> "SlimGATr":
    """Return a Transformer of scalars and vectors, L-GATr-slim (Petitjean et al. 2025) in space.

    `channels` scalars and `vectors` (by default a quarter of that) per object. Linear maps are one
    for each kind, without bias for vectors. Attention weighs by the inner product of scalars and
    vectors together; both are normalised by one root mean square. The MLP, of ratio 2, has scalars
    hear of inner products of mapped vectors, and its scalars gate its vectors, where the authors'
    kinds meet in attention alone. Points are vectors from the centroid, logarithms of lengths join
    the input scalars. Takes 0e and 1o, of pairs 0e; fields are (batch, n, dim), ragged ones are
    padded inside. Raises `ValueError` for other irreps, where `heads` does not divide both numbers,
    without a layer, and for a cell, which has no centroid.
    """
    vectors = heads * max(channels // max(4 * heads, 1), 1) if vectors is None else vectors
    if heads < 1 or layers < 1 or channels % heads or vectors % heads:
        raise ValueError(
            f"gatr_slim needs layers and heads that divide channels and vectors, got {layers} "
            f"layers, {heads} heads, {channels} channels, {vectors} vectors"
        )
    return SlimGATr(signature, Sizes(channels, vectors), layers, heads)


class JointLinear(nn.Module):
    """A linear map for each kind: scalars (k, s), and vectors (3, k, v) that it mixes whole."""

    def __init__(self, sizes: Sizes, out: Sizes, bias: bool = True) -> None:
        super().__init__()
        self.scalars = linear(sizes.scalars, out.scalars, bias)
        self.vectors = VectorLinear(sizes.vectors, out.vectors)

    def forward(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return self.scalars(s), self.vectors(v)


class VectorLinear(nn.Module):
    """One linear map for each of three components, (3, k, v)."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        weight = torch.empty(width_in, width_out).uniform_(-1, 1) / max(width_in, 1) ** 0.5
        self.weight = nn.Parameter(weight) if width_in and width_out else None
        self.width = width_out

    def forward(self, v: Tensor) -> Tensor:
        if self.weight is None:
            return v.new_zeros(*v.shape[:2], self.width)
        return torch.bmm(v, self.weight.expand(3, -1, -1))


def split_kinds(x: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """Return scalars (k, s) and vectors (3, k, v) of rows of features."""
    s, v = x.split([sizes.scalars, 3 * sizes.vectors], -1)
    return s, v.unflatten(-1, (3, sizes.vectors)).transpose(0, 1)


def join_kinds(s: Tensor, v: Tensor) -> Tensor:
    """Return rows of features, `split_kinds` inverted."""
    return torch.cat([s, *v.unbind(0)], -1)


class Attention(nn.Module):
    """Attention whose logits are inner products of scalars and of vectors, summed."""

    def __init__(self, sizes: Sizes, heads: int) -> None:
        super().__init__()
        self.sizes, self.heads = sizes, heads
        self.project = JointLinear(sizes, Sizes(3 * sizes.scalars, 3 * sizes.vectors), bias=False)
        self.join_heads = JointLinear(sizes, sizes)

    def forward(self, x: Tensor, size: torch.Size, bias: Tensor | None) -> Tensor:
        s, v = self.project(*split_kinds(x, self.sizes))
        groups = 3 * self.heads
        s, v = (part.unflatten(-1, (groups, part.shape[-1] // groups)) for part in (s, v))
        qkv = join_kinds(s, v).unflatten(0, size)  # (batch, n, 3 heads, width)
        q, k, v = (part.transpose(1, 2) for part in qkv.chunk(3, 2))
        y = attend(q, k, v, bias).transpose(1, 2).flatten(0, 1)  # (k, heads, width)
        share = Sizes(self.sizes.scalars // self.heads, self.sizes.vectors // self.heads)
        s, v = y.split([share.scalars, 3 * share.vectors], -1)
        v = v.unflatten(-1, (3, share.vectors)).permute(2, 0, 1, 3)
        return join_kinds(*self.join_heads(s.flatten(1), v.flatten(2)))


class MLP(nn.Module):
    """Products of mapped vectors beside scalars, gates beside hidden scalars, a linear map.

    Kinds that are not `used` of what it returns are zero.
    """

    def __init__(self, sizes: Sizes, used: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.hidden = Sizes(
            2 * sizes.scalars * (used.scalars > 0), 2 * sizes.vectors * (used.vectors > 0)
        )
        self.parts = [sizes.vectors, sizes.vectors, self.hidden.vectors]
        self.expand_vectors = VectorLinear(sizes.vectors, sum(self.parts))
        self.expand_scalars = linear(sizes.scalars + sizes.vectors, sum(self.hidden))
        width = sum(self.hidden) if used.scalars else 0
        self.reduce = JointLinear(Sizes(width, self.hidden.vectors), sizes, bias=width > 0)

    def forward(self, x: Tensor) -> Tensor:
        s, v = split_kinds(x, self.sizes)
        left, right, v = self.expand_vectors(v).split(self.parts, -1)
        h = gelu(self.expand_scalars(torch.cat([s, (left * right).sum(0)], -1)))
        return join_kinds(*self.reduce(h, h[:, self.hidden.scalars :] * v))


class Block(nn.Module):
    """Attention and an MLP, each of normalised features and added to them."""

    def __init__(self, sizes: Sizes, used: Sizes, heads: int) -> None:
        super().__init__()
        self.attention, self.mlp = Attention(sizes, heads), MLP(sizes, used)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return features, (batch, n, width)."""
        size, x = x.shape[:2], x.flatten(0, 1)
        x = x + self.attention(normalise(x), size, bias)
        return (x + self.mlp(normalise(x))).unflatten(0, size)


def normalise(x: Tensor) -> Tensor:
    """Return features over the root mean square of all, which motions leave as it is."""
    return rms_norm(x, x.shape[-1:], eps=TINY)


class SlimGATr(nn.Module):
    def __init__(self, signature: Signature, sizes: Sizes, depth: int, heads: int) -> None:
        super().__init__()
        self.signature = signature
        check_points(signature, "gatr_slim")
        refuse_cell(signature, "gatr_slim")
        scalars, vectors = multiplicities(signature.inputs, 1, "gatr_slim").values()
        outputs = Sizes(*multiplicities(signature.outputs, 1, "gatr_slim").values())
        attributes = count_pair_scalars(signature.inputs, "gatr_slim")
        self.bias = nn.Linear(attributes, heads, bias=False) if attributes else None
        self.sizes = sizes = sizes if vectors else Sizes(sizes.scalars, 0)
        self.embed = JointLinear(Sizes(scalars + vectors, vectors), sizes)
        uses = [sizes] * (depth - 1) + [outputs]
        self.blocks = nn.ModuleList(Block(sizes, use, heads) for use in uses)
        self.readout = JointLinear(sizes, outputs)
        scale_weights(self.readout.vectors, 1e-2)  # points start near where they are

    def forward(self, inputs: Fields) -> Fields:
        return call_padded(self.attend, inputs, self.signature)

    def attend(self, inputs: Fields) -> Fields:
        """Return the outputs of padded samples."""
        x = self.encode(inputs)
        bias = attention_bias(inputs, self.signature.inputs, self.bias)
        for block in self.blocks:
            x = block(x, bias)
        return self.decode(inputs, x)

    def encode(self, inputs: Fields) -> Tensor:
        """Return features (batch, n, width)."""
        types = self.signature.inputs
        scalars, vectors = split_by_l(inputs, types, centroid(inputs, types), 1).values()
        lengths = log_squared_length(vectors, keepdim=False)
        s = torch.cat([scalars.squeeze(-1), lengths], -1).flatten(0, 1)
        v = vectors.flatten(0, 1).permute(2, 0, 1)  # (3, k, vectors)
        return join_kinds(*self.embed(s, v)).unflatten(0, vectors.shape[:2])

    def decode(self, inputs: Fields, x: Tensor) -> Fields:
        """Return the output fields of features."""
        s, v = self.readout(*split_kinds(x.flatten(0, 1), self.sizes))
        values = {0: s.unsqueeze(-1), 1: v.permute(1, 2, 0)}
        values = {l: value.unflatten(0, x.shape[:2]) for l, value in values.items()}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))
