"""PaiNN: each object holds scalars and vectors, and pairs exchange both; exact for E(3).

The filter W_c(d) of a channel is a mix of a few functions g_k(d) of the distance, so the mean over
j of W_c(d_ij) phi_c(s_j) is one matrix product over (j, k): what j sends is weighed by its mix
before the aggregation, and no tensor is ever as large as pairs times channels.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    count_pair_scalars,
    join_by_l,
    multiplicities,
    origins,
    split_by_l,
)
from models.layers.mlp import linear, mlp
from models.layers.neighbours import Edges, find_all_edges
from remul.fields import Fields, Signature

EQUIVARIANT = True
PAPER = {"channels": 128, "layers": 3}
GAUSSIANS, RADIAL_FUNCTIONS = 16, 4

Aggregate = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def build(
    signature: Signature, channels: int = 64, layers: int = 3, neighbours: int | None = None
) -> "PaiNN":
    """Return the polarizable atom interaction network (Schütt et al. 2021, equations 7 to 10).

    What departs: messages are means over the other objects, not sums. Vectors start from those of
    the inputs, points counting as vectors from the centroid. Lengths enter as log(1 + |v|) and
    inner products over 1 + |v|, or float32 would lose digits in products of products. There is no
    cutoff: each layer has four radial functions, learned from log-spaced Gaussians, 0.01 to 100 in
    the units of the points, and from the scalars of the pair. The senders of an object are all
    others, or its nearest `neighbours`. Takes 0e and 1o; fields are (batch, n, dim). Raises
    `ValueError` for other irreps, for pair fields that are not 0e, and without a layer.
    """
    if layers < 1:
        raise ValueError(f"painn needs at least one layer, got {layers}")
    return PaiNN(signature, channels, layers, neighbours)


def aggregation(radial: Tensor, directions: Tensor) -> Aggregate:
    """Return the function that sums filtered messages over j, equations 7 and 8.

    `radial` holds g_k of each pair, (batch, n, n, k), `directions` unit vectors, (batch, n, n, 3).
    The function takes phi of the senders, (batch, n, 3 channels), their vectors, (batch, n, 3,
    channels), and the mixes of the filters, (k, 3 channels). One third of phi goes to the scalars,
    one scales the vectors of j, one goes along the directions.
    """
    batch, n, _, k = radial.shape
    by_scalar = radial.flatten(2)  # (batch, n, n k)
    by_vector = radial[:, :, None] * directions.mT.unsqueeze(-1)  # (batch, n, 3, n, k)
    by_vector = by_vector.reshape(batch, 3 * n, n * k)

    def aggregate(phi: Tensor, v: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
        (phi_s, phi_vv, phi_vs), (w_s, w_vv, w_vs) = phi.chunk(3, -1), filters.chunk(3, -1)
        ds = by_scalar @ filter_senders(phi_s, w_s)
        scaled = (phi_vv.unsqueeze(2) * v).flatten(2)  # (batch, n, 3 channels)
        dv = by_scalar @ filter_senders(scaled, w_vv.repeat(1, 3))
        along = filter_senders(phi_vs, w_vs)
        return ds, torch.baddbmm(dv.view(batch, 3 * n, -1), by_vector, along).view_as(v)

    return aggregate


def filter_senders(phi: Tensor, filters: Tensor) -> Tensor:
    """Return what j sends times the weight of each g_k in each channel: (batch, n k, channels)."""
    return (phi.unsqueeze(2) * filters).flatten(1, 2)


def scatter_to_all(x: Tensor, edges: Edges) -> Tensor:
    """Return values of edges, (batch, n, k, c), zero on other pairs, as (batch, n, n, c)."""
    if edges.senders is None:
        return x
    batch, n, _, width = x.shape
    index = (edges.senders % n).unsqueeze(-1).expand_as(x)  # rows of the batch to rows of a sample
    return x.new_zeros(batch, n, n, width).scatter(2, index, x)


class Layer(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.phi = mlp(channels, channels, 3 * channels)
        filters = torch.randn(RADIAL_FUNCTIONS, 3 * channels) / RADIAL_FUNCTIONS**0.5
        self.filters = nn.Parameter(filters)
        self.u, self.v = (nn.Linear(channels, channels, bias=False) for _ in range(2))
        self.a = mlp(2 * channels, channels, 3 * channels)

    def forward(self, s: Tensor, v: Tensor, aggregate: Aggregate) -> tuple[Tensor, Tensor]:
        ds, dv = aggregate(self.phi(s), v, self.filters)
        return self.update(s + ds, v + dv)

    def update(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return what an object makes of its own scalars and vectors, equations 9 and 10."""
        u_v, v_v = self.u(v), self.v(v)  # (batch, n, 3, channels)
        length = (v_v.square().sum(2) + 1e-12).sqrt()  # .norm() is slow on a middle axis
        a_ss, a_sv, a_vv = self.a(torch.cat([s, length.log1p()], -1)).chunk(3, -1)
        s = s + a_ss + a_sv * (u_v * v_v).sum(2) / (1 + length)
        return s, v + a_vv.unsqueeze(2) * u_v


class PaiNN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, neighbours: int | None
    ) -> None:
        super().__init__()
        self.signature, self.neighbours = signature, neighbours
        check_points(signature, "painn")
        scalars, vectors = multiplicities(signature.inputs, 1, "painn").values()
        outputs = multiplicities(signature.outputs, 1, "painn")
        basis = GAUSSIANS + count_pair_scalars(signature.inputs, "painn")
        self.radial = mlp(basis, GAUSSIANS, RADIAL_FUNCTIONS * depth)
        self.embed = nn.ModuleList(
            [linear(scalars + vectors, channels), linear(vectors, channels, bias=False)]
        )
        self.layers = nn.ModuleList(Layer(channels) for _ in range(depth))
        self.scalars = mlp(channels, channels, outputs[0])
        self.vectors = linear(channels, outputs[1], bias=False)

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        s, v = self.encode(inputs, centre)
        for layer, aggregate in zip(self.layers, self.aggregations(inputs, centre), strict=True):
            s, v = layer(s, v, aggregate)
        values = {0: self.scalars(s).unsqueeze(-1), 1: self.vectors(v).mT}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))

    def encode(self, inputs: Fields, centre: Tensor) -> tuple[Tensor, Tensor]:
        """Return scalars (batch, n, channels), of lengths too, and vectors (batch, n, 3, c)."""
        scalars, vectors = split_by_l(inputs, self.signature.inputs, centre, 1).values()
        invariants = torch.cat([scalars.squeeze(-1), vectors.norm(dim=-1)], -1)
        embed_scalars, embed_vectors = self.embed
        return embed_scalars(invariants), embed_vectors(vectors.mT)

    def aggregations(self, inputs: Fields, centre: Tensor) -> list[Aggregate]:
        """Return how each layer sums messages, by its own radial functions."""
        x = coordinates(inputs, self.signature.inputs, centre)
        edges = find_all_edges(inputs, self.signature.inputs, x, self.neighbours)
        distance = edges.lengths()
        radial = self.radial(edges.append_features(gaussians(distance)))
        radial = scatter_to_all(edges.mean_weights * radial, edges)
        directions = scatter_to_all(edges.vectors / -distance, edges)  # from i to j
        return [aggregation(g, directions) for g in radial.chunk(len(self.layers), -1)]


def gaussians(distance: Tensor) -> Tensor:
    """Return bumps in the logarithm of the distance, 0.01 to 100, (batch, n, k, GAUSSIANS)."""
    centres = torch.linspace(-2, 2, GAUSSIANS, dtype=distance.dtype, device=distance.device)
    return torch.exp(-(((distance.log10() - centres) * (GAUSSIANS / 4)) ** 2))
