"""PaiNN: each object holds scalars and vectors, and pairs exchange both; exact for E(3).

The filter W_c(d) of a channel is a mix of a few functions g_k(d) of the distance, so the mean over
j of W_c(d_ij) phi_c(s_j) is one matrix product over (j, k): what j sends is weighed by its mix
before the aggregation, and no tensor is ever as large as pairs times channels.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from models.layers.edges import Edges
from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    count_pair_scalars,
    has_points,
    join_by_l,
    multiplicities,
    origins,
    split_by_l,
)
from models.layers.lengths import smooth_length
from models.layers.mlp import linear, mlp
from models.layers.neighbours import Reach, find_all_edges, limit_reach
from remul.fields import Fields, Signature

EQUIVARIANT = True
VERSION = 2
PAPER = {"channels": 128, "layers": 3}
GAUSSIANS, RADIAL_FUNCTIONS = 16, 4
MOST, LONGEST = 1e4, 1e9  # of features: where they are bounded, out of reach of any that learn

Sent = tuple[Tensor, Tensor]  # by each object, and the mix of filters it passes
MaybeSent = Sent | None  # named, as a compiler evaluates the annotations of inner functions
Sums = tuple[Tensor, Tensor | None]
Aggregate = Callable[[Sent, MaybeSent, MaybeSent, Tensor], Sums]


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 3,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "PaiNN":
    """Return the polarizable atom interaction network (Schütt et al. 2021, equations 7 to 10).

    What departs: messages are means over the other objects, not sums. Vectors start from those of
    the inputs, points counting as vectors from the centroid. Lengths enter as log(1 + |v|) and
    inner products over 1 + |v|, or float32 would lose digits in products of products. Scalars are
    cut at 1e4 and vectors fall off from 1e9, so that no coordinates overflow. Each layer has four
    radial functions, learned from log-spaced Gaussians, 0.01 to 100 in the units of the points, and
    from the scalars of the pair. The senders of an object are all others, its nearest `neighbours`,
    or those within the `cutoff`, towards which they fade out; in a cell, where points are no
    features, images too. Takes 0e and 1o; fields are (batch, n, dim). Raises `ValueError` for other
    irreps, for pair fields that are not 0e, and without a layer.
    """
    if layers < 1:
        raise ValueError(f"painn needs at least one layer, got {layers}")
    return PaiNN(signature, channels, layers, limit_reach(signature, neighbours, cutoff, "painn"))


def aggregation(edges: Edges, radial: Tensor, directions: Tensor) -> Aggregate:
    """Return the function that sums filtered messages over j, equations 7 and 8.

    `radial` holds g_k of each edge, (batch, n, senders, k), `directions` unit vectors, (batch, n,
    senders, 3). The function takes the part of phi that goes to scalars, (batch, n, channels), that
    which scales the vectors of j, and that which goes along the directions, each with its mix of
    the filters, (k, channels), or None, and those vectors, (batch, n, 3, channels). It returns sums
    for scalars and vectors.
    """
    if edges.senders is None:
        return _aggregation_of_all(radial, directions)
    rows = radial.mT  # (batch, n, k, senders)
    along = (directions.mT.unsqueeze(3) * rows.unsqueeze(2)).flatten(2, 3)  # (..., 3 k, senders)

    def aggregate(scalars: Sent, scales: MaybeSent, pushes: MaybeSent, v: Tensor) -> Sums:
        ds, dv = (rows @ edges.gather_senders(scalars[0]) * scalars[1]).sum(2), []
        if scales is not None:
            scaled = (scales[0].unsqueeze(2) * v).flatten(2)
            sums = rows @ edges.gather_senders(scaled)  # (batch, n, k, 3 channels)
            dv.append((sums.unflatten(-1, (3, -1)) * scales[1].unsqueeze(1)).sum(2))
        if pushes is not None:
            sums = (along @ edges.gather_senders(pushes[0])).unflatten(2, (3, -1))
            dv.append((sums * pushes[1]).sum(3))
        return edges.sum_rows(ds), edges.sum_rows(sum(dv)) if dv else None

    return aggregate


def _aggregation_of_all(radial: Tensor, directions: Tensor) -> Aggregate:
    """Return `aggregation` for edges from all objects: one product over j and k together."""
    batch, n, _, k = radial.shape
    by_scalar = radial.flatten(2)  # (batch, n, n k)
    by_vector = radial[:, :, None] * directions.mT.unsqueeze(-1)  # (batch, n, 3, n, k)
    by_vector = by_vector.reshape(batch, 3 * n, n * k)

    def aggregate(scalars: Sent, scales: MaybeSent, pushes: MaybeSent, v: Tensor) -> Sums:
        ds, dv = by_scalar @ filter_senders(*scalars), None
        if scales is not None:
            scaled = (scales[0].unsqueeze(2) * v).flatten(2)  # (batch, n, 3 channels)
            dv = by_scalar @ filter_senders(scaled, scales[1].repeat(1, 3))
            dv = dv.unflatten(-1, (3, -1))
        if pushes is not None:
            pushed = filter_senders(*pushes)
            if dv is None:
                dv = (by_vector @ pushed).unflatten(1, (n, 3))
            else:
                dv = torch.baddbmm(dv.flatten(1, 2), by_vector, pushed).view_as(dv)
        return ds, dv

    return aggregate


def filter_senders(phi: Tensor, filters: Tensor) -> Tensor:
    """Return what j sends times the weight of each g_k in each channel: (batch, n k, channels)."""
    return (phi.unsqueeze(2) * filters).flatten(1, 2)


class Uses(NamedTuple):
    """What a layer can do: vectors come in, edges have directions, what comes out is used."""

    vectors: bool
    directions: bool
    scalars_used: bool
    vectors_used: bool


class Layer(nn.Module):
    def __init__(self, channels: int, uses: Uses) -> None:
        super().__init__()
        self.uses, vectors = uses, uses.vectors or uses.directions
        self.parts = 1 + uses.vectors + uses.directions
        self.phi = mlp(channels, channels, self.parts * channels)
        filters = torch.randn(RADIAL_FUNCTIONS, self.parts * channels) / RADIAL_FUNCTIONS**0.5
        self.filters = nn.Parameter(filters)
        self.u = nn.Linear(channels, channels, bias=False) if vectors else None
        self.v = nn.Linear(channels, channels, bias=False) if vectors else None
        parts = uses.scalars_used * (1 + vectors) + (uses.vectors_used and vectors)
        self.a = mlp((1 + vectors) * channels, channels, parts * channels)

    def forward(self, s: Tensor, v: Tensor, aggregate: Aggregate) -> tuple[Tensor, Tensor]:
        s = hardtanh(s, -MOST, MOST)  # or products of products overflow
        ds, dv = aggregate(*self.send(s), v)
        return self.update(s + ds, v if dv is None else v + dv)

    def send(self, s: Tensor) -> tuple[Sent, MaybeSent, MaybeSent]:
        """Return the parts of phi that go to scalars, scale vectors and go along directions."""
        parts = (x.chunk(self.parts, -1) for x in (self.phi(s), self.filters))
        sent = zip(*parts, strict=True)
        scalars = next(sent)
        scales = next(sent) if self.uses.vectors else None
        return scalars, scales, next(sent) if self.uses.directions else None

    def update(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return what an object makes of its own scalars and vectors, equations 9 and 10."""
        if self.u is None:
            return s + self.a(s), v
        u_v, v_v = self.u(v), self.v(v)  # (batch, n, 3, channels)
        length = smooth_length(v_v, 2, keepdim=False)
        a = self.a(torch.cat([s, length.log1p()], -1)).split(s.shape[-1], -1)
        if self.uses.scalars_used:
            s = s + a[0] + a[1] * (u_v * v_v).sum(2) / (1 + length)
        if self.uses.vectors_used:
            v = torch.addcmul(v, a[-1].unsqueeze(2), u_v) / (
                1 + length.detach() / LONGEST
            ).unsqueeze(2)
        return s, v


class PaiNN(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, reach: Reach) -> None:
        super().__init__()
        self.signature, self.reach = signature, reach
        check_points(signature, "painn")
        scalars, vectors = multiplicities(signature.inputs, 1, "painn").values()
        outputs = multiplicities(signature.outputs, 1, "painn")
        self.apart = has_points(signature.inputs)
        basis = GAUSSIANS * self.apart + count_pair_scalars(signature.inputs, "painn")
        self.radial = mlp(basis, GAUSSIANS, RADIAL_FUNCTIONS * depth)
        self.embed = nn.ModuleList(
            [linear(scalars + vectors, channels), linear(vectors, channels, bias=False)]
        )
        self.layers = nn.ModuleList()
        for layer in range(depth):
            last, moving = layer == depth - 1, vectors > 0 or (layer > 0 and self.apart)
            used = [outputs[l] > 0 or not last for l in (0, 1)]
            self.layers.append(Layer(channels, Uses(moving, self.apart, *used)))
        self.scalars = mlp(channels, channels, outputs[0])
        self.vectors = linear(channels, outputs[1], bias=False)

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        s, v = self.encode(inputs, centre)
        edges, radial, directions = self.embed_edges(inputs, centre)
        functions = radial.chunk(len(self.layers), -1)
        for layer, g in zip(self.layers, functions, strict=True):
            s, v = layer(s, v, aggregation(edges, g, directions))
        values = {0: self.scalars(s).unsqueeze(-1), 1: self.vectors(v).mT}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))

    def encode(self, inputs: Fields, centre: Tensor) -> tuple[Tensor, Tensor]:
        """Return scalars (batch, n, channels), of lengths too, and vectors (batch, n, 3, c)."""
        scalars, vectors = split_by_l(inputs, self.signature.inputs, centre, 1).values()
        invariants = torch.cat([scalars.squeeze(-1), vectors.norm(dim=-1)], -1)
        embed_scalars, embed_vectors = self.embed
        return embed_scalars(invariants), embed_vectors(vectors.mT)

    def embed_edges(self, inputs: Fields, centre: Tensor) -> tuple[Edges, Tensor, Tensor]:
        """Return edges with the radial functions of all layers, and directions from i to j."""
        x = coordinates(inputs, self.signature.inputs, centre)
        edges = find_all_edges(inputs, self.signature.inputs, x, *self.reach)
        distance = edges.lengths()
        basis = gaussians(distance) if self.apart else distance[..., :0]
        radial = edges.mean_weights * self.radial(edges.append_features(basis))
        return edges, radial, edges.vectors / -distance


def gaussians(distance: Tensor) -> Tensor:
    """Return bumps in the logarithm of the distance, 0.01 to 100, (batch, n, k, GAUSSIANS)."""
    centres = torch.linspace(-2, 2, GAUSSIANS, dtype=distance.dtype, device=distance.device)
    return torch.exp(-(((distance.log10() - centres) * (GAUSSIANS / 4)) ** 2))
