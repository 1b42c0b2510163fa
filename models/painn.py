"""PaiNN: each object holds scalars and vectors, and pairs exchange both; exact for E(3).

The filter W_c(d) of a channel is a mix of a few functions g_k(d) of the distance, so the mean over
j of W_c(d_ij) phi_jc is one matrix product over (j, k): what j sends is weighed by its mix before
the pairs are summed, and no tensor is ever as large as pairs times channels.
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
from models.layers.neighbours import Pairs, heard
from remul.fields import Fields, Signature

EQUIVARIANT = True
PAPER = {"channels": 128, "layers": 3}
RADII, BASIS = 16, 4

Hear = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def build(
    signature: Signature, channels: int = 64, layers: int = 3, neighbours: int | None = None
) -> "PaiNN":
    """Polarizable atom interaction network (Schütt et al. 2021, equations 7 to 10).

    What departs: messages are means over the other objects, not sums. Vectors start from those of
    the inputs, points counting as vectors from the centroid. Lengths enter as log(1 + |v|) and
    inner products over 1 + |v|, or float32 would lose digits in products of products. There is no
    cutoff: each layer has four radial functions, learned from log-spaced Gaussians, 0.01 to 100 in
    the units of the points, and from the scalars of the pair. With `neighbours` each object hears
    that many nearest ones alone. Takes 0e and 1o; fields are (batch, n, dim). Raises `ValueError`
    for other irreps, for pair fields that are not 0e, and without a layer.
    """
    if layers < 1:
        raise ValueError(f"painn needs at least one layer, got {layers}")
    return PaiNN(signature, channels, layers, neighbours)


def messages(basis: Tensor, arrows: Tensor) -> Hear:
    """Sums over j of filtered messages, equations 7 and 8, for any features and mix of filters.

    `basis` holds g_k of each pair, (batch, n, n, k), `arrows` unit vectors, (batch, n, n, 3). What
    is sent, (batch, n, 3 channels), goes to the scalars, stretches the vectors of j and pushes
    along the arrows; `filters` are (k, 3 channels).
    """
    batch, n, _, k = basis.shape
    near = basis.flatten(2)  # (batch, n, n k)
    aimed = (basis[:, :, None] * arrows.mT.unsqueeze(-1)).reshape(batch, 3 * n, n * k)

    def hear(sent: Tensor, v: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
        scalar, stretch, push = sent.chunk(3, -1)
        by_scalar, by_stretch, by_push = filters.chunk(3, -1)
        scalars = near @ mixed(scalar, by_scalar)
        stretched = (stretch.unsqueeze(2) * v).flatten(2)  # (batch, n, 3 channels)
        vectors = near @ mixed(stretched, by_stretch.repeat(1, 3))
        pushed = mixed(push, by_push)
        return scalars, torch.baddbmm(vectors.view(batch, 3 * n, -1), aimed, pushed).view_as(v)

    return hear


def mixed(sent: Tensor, filters: Tensor) -> Tensor:
    """What j sends times the share of each g_k in each channel: (batch, n k, channels)."""
    return (sent.unsqueeze(2) * filters).flatten(1, 2)


def among_all(values: Tensor, pairs: Pairs) -> Tensor:
    """Values of the pairs, (batch, n, k, c), among all pairs, (batch, n, n, c), zero elsewhere."""
    if pairs.index is None:
        return values
    batch, n, _, width = values.shape
    place = (pairs.index % n).unsqueeze(-1).expand_as(values)  # within the sample
    return values.new_zeros(batch, n, n, width).scatter(2, place, values)


class Layer(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.send = mlp(channels, channels, 3 * channels)
        self.filters = nn.Parameter(torch.randn(BASIS, 3 * channels) / BASIS**0.5)
        self.turn, self.look = (nn.Linear(channels, channels, bias=False) for _ in range(2))
        self.update = mlp(2 * channels, channels, 3 * channels)

    def forward(self, s: Tensor, v: Tensor, hear: Hear) -> tuple[Tensor, Tensor]:
        scalars, vectors = hear(self.send(s), v, self.filters)
        return self.refresh(s + scalars, v + vectors)

    def refresh(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """What an object makes of its own scalars and vectors, (batch, n, 3, channels)."""
        turned, other = self.turn(v), self.look(v)
        length = (other.square().sum(2) + 1e-12).sqrt()  # .norm() is slow on a middle axis
        scalar, inner, stretch = self.update(torch.cat([s, length.log1p()], -1)).chunk(3, -1)
        s = s + scalar + inner * (turned * other).sum(2) / (1 + length)
        return s, v + stretch.unsqueeze(2) * turned


class PaiNN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, neighbours: int | None
    ) -> None:
        super().__init__()
        self.signature, self.neighbours = signature, neighbours
        check_points(signature, "painn")
        scalars, vectors = multiplicities(signature.inputs, 1, "painn").values()
        outputs = multiplicities(signature.outputs, 1, "painn")
        pair_scalars = count_pair_scalars(signature.inputs, "painn")
        self.radial = mlp(RADII + pair_scalars, RADII, BASIS * depth)
        self.embed = nn.ModuleList(
            [linear(scalars + vectors, channels), linear(vectors, channels, bias=False)]
        )
        self.layers = nn.ModuleList(Layer(channels) for _ in range(depth))
        self.scalars = mlp(channels, channels, outputs[0])
        self.vectors = linear(channels, outputs[1], bias=False)

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        s, v = self.read(inputs, centre)
        for layer, hear in zip(self.layers, self.pairs(inputs, centre), strict=True):
            s, v = layer(s, v, hear)
        values = {0: self.scalars(s).unsqueeze(-1), 1: self.vectors(v).mT}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))

    def read(self, inputs: Fields, centre: Tensor) -> tuple[Tensor, Tensor]:
        """Scalars (batch, n, channels), of lengths too, and vectors (batch, n, 3, channels)."""
        scalars, vectors = split_by_l(inputs, self.signature.inputs, centre, 1).values()
        invariants = torch.cat([scalars.squeeze(-1), vectors.norm(dim=-1)], -1)
        to_scalars, to_vectors = self.embed
        return to_scalars(invariants), to_vectors(vectors.mT)

    def pairs(self, inputs: Fields, centre: Tensor) -> list[Hear]:
        """How each layer hears the others: its radial functions, and who hears whom."""
        x = coordinates(inputs, self.signature.inputs, centre)
        pairs = heard(inputs, self.signature.inputs, x, self.neighbours)
        distance = (pairs.apart.square().sum(-1, keepdim=True) + 1e-12).sqrt()
        known = [gaussians(distance)] + ([] if pairs.features is None else [pairs.features])
        radial = pairs.share * self.radial(torch.cat(known, -1))
        arrows = pairs.apart / -distance  # unit vectors from i to j
        radial, arrows = among_all(radial, pairs), among_all(arrows, pairs)
        return [messages(basis, arrows) for basis in radial.chunk(len(self.layers), -1)]


def gaussians(distance: Tensor) -> Tensor:
    """Bumps in the logarithm of the distance, (batch, n, k, RADII)."""
    centres = torch.linspace(-2, 2, RADII, dtype=distance.dtype, device=distance.device)
    return torch.exp(-(((distance.log10() - centres) * (RADII / 4)) ** 2))
