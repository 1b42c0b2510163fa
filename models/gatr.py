"""Geometric Algebra Transformer: multivectors of G(3,0,1) and scalars, exact for E(3).

Half of the multivectors, the odd ones, change sign under reflections on top of what the algebra
says: e0 does so, hence the join and products with e0 lead from one half to the other. Components
are kept by their parity under inversion instead: without e0 that of their multivector, with e0 the
other one. Then every product of the algebra is one of parities too. A tensor of multivectors is
(8 blades, objects, groups x 2 without and with e0 x 2 parities x channels).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from models.layers import geometric_algebra as algebra
from models.layers.fields import (
    centroid,
    check_points,
    count_pair_scalars,
    join_by_l,
    multiplicities,
    object_fields,
    origins,
    pack_pairs,
    split_by_l,
)
from models.layers.mlp import linear, scale_weights
from remul.fields import MASK, Fields, Signature, Types

EQUIVARIANT = True
PAPER = {"channels": 128, "multivectors": 16, "layers": 10, "heads": 8}
VERSION = 2
RESIDUAL = 0.1  # scale of what a block adds at first: products of products grow fast
PARITIES, SUMS = torch.eye(2), torch.tensor([[1.0, 1.0], [1.0, -1.0]])  # to sum and difference


def build(
    signature: Signature,
    channels: int = 32,
    multivectors: int | None = None,
    layers: int = 2,
    heads: int = 4,
) -> "GATr":
    """The Geometric Algebra Transformer (Brehmer et al. 2023), right under reflections too.

    `channels` scalars and `multivectors` (by default a quarter of that) per object; multi-query
    attention with hidden widths doubled and distance-aware terms, MLP ratio 2, as in the authors'
    code. A point is e123 and its place from the centroid as trivector, a vector the same without
    e123; the centroid itself is a point. Each reflection turns the sign of a join; the authors undo
    that by a reference multivector, here the parities of the channels take it up. Takes 0e and
    1o, of pairs 0e. Raises `ValueError` for other irreps and for an odd number of multivectors.
    """
    multivectors = 2 * (channels // 8) if multivectors is None else multivectors
    if multivectors < 2 or multivectors % 2 or heads < 1:
        raise ValueError(f"gatr needs heads and an even number of multivectors, got {multivectors}")
    return GATr(signature, channels, multivectors // 2, layers, heads)


class Linear(nn.Module):
    """The equivariant linear map of multivectors (groups, channels) and of scalars.

    Scalars mix with the invariant components, 1 and e123. `entry` and `leave` say in which basis
    the two parities come and go.
    """

    def __init__(
        self,
        wide: tuple[tuple[int, int], tuple[int, int]],
        scalars: tuple[int, int],
        entry: Tensor = PARITIES,
        leave: Tensor = PARITIES,
    ) -> None:
        super().__init__()
        self.wide = wide
        (groups, width), (groups_out, width_out) = wide
        fan_in, fan_out = groups * width, groups_out * width_out
        table = torch.einsum("qp,bxyps,pr->bxqyrs", entry, algebra.linear_maps(), leave)
        self.register_buffer("table", table.reshape(-1, algebra.MAPS), persistent=False)
        self.even = int(entry[:, 0].count_nonzero()), int(leave[0].count_nonzero())
        self.weight = nn.Parameter(torch.randn(algebra.MAPS, fan_in * fan_out) / fan_in**0.5)
        self.lift = linear(scalars[0], 2 * fan_out)
        self.mix = nn.Linear(scalars[0] + 2 * fan_in, scalars[1]) if scalars[1] else None

    def matrices(self) -> Tensor:
        """The weights by blade, (8, 4 * channels in, 4 * channels out)."""
        (groups, width), (groups_out, width_out) = self.wide
        blocks = self.table @ self.weight  # one for each blade, e0 and parity in, e0 and parity out
        blocks = blocks.view(8, 4, 4, groups, width, groups_out, width_out)
        by_column = blocks.permute(0, 3, 1, 4, 5, 2, 6)
        return by_column.reshape(8, 4 * groups * width, 4 * groups_out * width_out)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        (groups, width), (groups_out, width_out) = self.wide
        y = torch.bmm(x, self.matrices())  # (8, objects, columns)
        lifted = self.lift(s).view(len(s), 2, groups_out, 1, width_out).transpose(0, 1)
        y.view(8, len(s), groups_out, 2, 2, width_out)[::7, :, :, 0, : self.even[1]].add_(lifted)
        if self.mix is None:
            return y, s
        invariants = x.view(8, len(s), groups, 2, 2, width)[::7, :, :, 0, : self.even[0]].mean(-2)
        return y, self.mix(torch.cat([s, invariants.transpose(0, 1).flatten(1)], -1))


class Attention(nn.Module):
    """Multi-query attention by invariant inner products and by distances of points."""

    def __init__(self, channels: int, half: int, heads: int, bonds: int) -> None:
        super().__init__()
        self.heads, self.width = heads, max(2 * half // heads, 1)
        hidden = max(2 * channels // heads, 4)
        every = heads + 2  # queries, then one key and one value
        self.project = Linear(((1, half), (every, self.width)), (channels, every * hidden))
        self.join_heads = Linear(((heads, self.width), (1, half)), (heads * hidden, channels))
        self.nearness = nn.Parameter(torch.zeros(heads, 2, self.width))
        self.bias = linear(bonds, heads, bias=False) if bonds else None

    def forward(
        self, x: Tensor, s: Tensor, size: torch.Size, bonds: Tensor | None, real: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        x, s = self.project(x, s)
        x = x.view(8, len(s), self.heads + 2, 2, 2, self.width)
        s = s.view(len(s), self.heads + 2, -1)
        q, k, v = (part.reshape(size[0], 1, -1, part.shape[-1]) for part in self.asked(x, s))
        heard = self.heard(size, bonds, real)
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=heard)  # (batch, 1, n heads, width)
        mixed = mixed.reshape(len(s), self.heads, -1)
        x, s = mixed.split([32 * self.width, s.shape[-1]], -1)
        x = x.unflatten(-1, (8, -1)).permute(2, 0, 1, 3).flatten(2)
        return self.join_heads(x, s.flatten(1))

    def asked(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, key and value of each object, (objects, heads or 1, width)."""
        space, far = x[:, :, :-1, 0], algebra.distance_terms(x[:, :, :-1])
        q = torch.cat([space[:, :, :-1], far[:, :, :-1] * self.nearness.exp()])
        q = torch.cat([_rows(q), s[:, :-2]], -1)
        k = torch.cat([space[:, :, -1:], algebra.distance_partners(far[:, :, -1:])])
        k = torch.cat([_rows(k), s[:, -2:-1]], -1)
        return q, k, torch.cat([_rows(x[:, :, -1:]), s[:, -1:]], -1)

    def heard(self, size: torch.Size, bonds: Tensor | None, real: Tensor | None) -> Tensor | None:
        """What is added to the logits, or whom to hear: (batch, 1, n heads, n)."""
        if self.bias is None:
            return None if real is None else real.unsqueeze(1)
        bias = self.bias(bonds).transpose(2, 3)  # (batch, n, heads, n)
        if real is not None:
            bias = bias.masked_fill(~real[:, None], -torch.inf)
        return bias.flatten(1, 2).unsqueeze(1)


def _rows(x: Tensor) -> Tensor:
    """Components of each object side by side: (k, objects, groups, ...) to (objects, groups, k)."""
    return x.flatten(3).permute(1, 2, 0, 3).flatten(2)


class Bilinear(nn.Module):
    """The geometric MLP: products and joins of linear maps, a gate, a linear map."""

    def __init__(self, channels: int, half: int) -> None:
        super().__init__()
        self.half = half
        self.factors = Linear(((1, half), (4, half)), (channels, 0), leave=SUMS)
        self.spread = Linear(((2, half), (1, 2 * half)), (channels, 2 * channels), entry=SUMS / 2)
        self.shrink = Linear(((1, 2 * half), (1, half)), (2 * channels, channels))
        for name, table in zip(("left", "right", "result"), algebra.products(), strict=True):
            self.register_buffer(name, table.clone(), persistent=False)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        x, s = self.spread(self.products(self.factors(x, s)[0]), s)
        gate = gelu(x[0, :, : 2 * self.half])  # the even scalars
        return self.shrink(x * gate.repeat(1, 4), gelu(s))

    def products(self, x: Tensor) -> Tensor:
        """Geometric products and joins of four groups of factors, (8, objects, columns).

        Parities multiply like signs, so sums and differences of even and odd go each by itself.
        """
        x = x.view(8, -1, 4, 2, 2 * self.half).permute(2, 3, 0, 1, 4)
        a, b = x.reshape(2, 2, 16, -1)
        y = algebra.multiply(self.left, self.right, self.result, a, b)
        return y.view(2, 2, 8, -1, 2 * self.half).permute(2, 3, 0, 1, 4).flatten(2)


class Block(nn.Module):
    def __init__(self, channels: int, half: int, heads: int, bonds: int) -> None:
        super().__init__()
        self.attention = Attention(channels, half, heads, bonds)
        self.bilinear = Bilinear(channels, half)
        scale_weights(self.attention.join_heads, RESIDUAL)
        scale_weights(self.bilinear.shrink, RESIDUAL)

    def forward(
        self, x: Tensor, s: Tensor, size: torch.Size, bonds: Tensor | None, real: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        dx, ds = self.attention(*_normed(x, s), size, bonds, real)
        x, s = x + dx, s + ds
        dx, ds = self.bilinear(*_normed(x, s))
        return x + dx, s + ds


def _normed(x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Multivectors over the root mean square of their invariant norms; LayerNorm of scalars."""
    half = x.shape[-1] // 2
    squared = x[..., :half].square().sum((0, 2)) / half  # e0 has no part in the inner product
    return x * squared.clamp_min(1e-2).rsqrt()[:, None], layer_norm(s, s.shape[-1:])


class GATr(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, half: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.signature = signature
        check_points(signature, "gatr")
        scalars, vectors = multiplicities(signature.inputs, 1, "gatr").values()
        self.outputs = multiplicities(signature.outputs, 1, "gatr")
        bonds = count_pair_scalars(signature.inputs, "gatr")
        self.register_buffer("weights", torch.tensor(_weights(signature.inputs)), persistent=False)
        self.embed = Linear(((1, vectors + 1), (1, half)), (scalars, channels))
        self.blocks = nn.ModuleList(Block(channels, half, heads, bonds) for _ in range(depth))
        self.vectors = scale_weights(linear(4 * half, self.outputs[1], bias=False), 1e-2)
        self.scalars = linear(channels, self.outputs[0])

    def forward(self, inputs: Fields) -> Fields:
        x, s, size = self.read(inputs)
        bonds = pack_pairs(inputs, self.signature.inputs)
        real = inputs[MASK].bool().mT if MASK in inputs else None  # (batch, 1, n)
        for block in self.blocks:
            x, s = block(x, s, size, bonds, real)
        return self.write(inputs, x, s, size)

    def read(self, inputs: Fields) -> tuple[Tensor, Tensor, torch.Size]:
        types = self.signature.inputs
        scalars, vectors = split_by_l(inputs, types, centroid(inputs, types), 1).values()
        size, s = vectors.shape[:2], scalars.flatten(0, 1).squeeze(-1)
        x = s.new_zeros(8, len(s), 2, 2, len(self.weights))
        x[7, :, 0, 0] = self.weights
        x[4:7, :, 1, 1, :-1] = vectors.flatten(0, 1).permute(2, 0, 1)
        return *self.embed(x.flatten(2), s), size

    def write(self, inputs: Fields, x: Tensor, s: Tensor, size: torch.Size) -> Fields:
        odd = x[1:7].view(2, 3, len(s), 2, 2, -1)[..., 1, :].permute(2, 1, 0, 3, 4)
        vectors = self.vectors(odd.flatten(2)).mT  # (objects, outputs, 3)
        values = {0: self.scalars(s).unsqueeze(-1), 1: vectors}
        values = {degree: value.unflatten(0, size) for degree, value in values.items()}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))


def _weights(types: Types) -> list[float]:
    """The part on e123 of each vector among the inputs, then of the centroid: 1 makes a point."""
    chunks = [(rep, *chunk) for rep in object_fields(types).values() for chunk in rep.chunks]
    affine = [float(rep.affine) for rep, mul, degree, _ in chunks for _ in range(mul * degree)]
    return [*affine, 1.0]
