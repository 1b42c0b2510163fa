"""Equivariant vector field network: scalars of local frames in, frames out; exact for SE(3).

The second axis of a frame is a cross product, which reflections turn the wrong way: unlike networks
of distances it can tell left from right, and has to learn mirror images one by one.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.layers.encoders import Reader, Writer
from models.layers.fields import count_pair_scalars, pack_pairs
from models.layers.mlp import mlp, small_init
from models.layers.neighbours import pair_share
from remul.fields import Fields, Signature

EQUIVARIANT = "SE3"
PAPER = {"channels": 64, "layers": 4}


def build(signature: Signature, channels: int = 64, layers: int = 4) -> "EVFN":
    """Equivariant vector field network, later ClofNet (Du et al. 2022), means instead of sums.

    Every pair has a frame e1 = x_i - x_j, e2 = x_i x x_j, e3 = e1 x e2 about the centroid, each of
    the first two over its length + 1. Messages see the vectors of both objects as components in
    it, and move x_i by a mix of its axes; vectors also move their own object. Lengths and scalars
    are the first features; squared distances enter as log(1 + d^2) and components as asinh, which
    keeps wide clouds from blowing up. The coordinates that move are those of the first point
    field; points also count as vectors from the centroid. Takes 0e and 1o; fields are
    (batch, n, dim). Raises `ValueError` for other irreps and for pair fields that are not 0e.
    """
    return EVFN(signature, channels, layers)


def frames(x: Tensor) -> Tensor:
    """The axes e1, e2, e3 of each pair of points (batch, n, 3): (batch, n, n, 3 axes, 3)."""
    here, there = torch.broadcast_tensors(x[:, :, None], x[:, None])
    e1 = shortened(here - there)
    e2 = shortened(torch.linalg.cross(here, there))
    return torch.stack([e1, e2, torch.linalg.cross(e1, e2)], 3)


def shortened(x: Tensor) -> Tensor:
    """Vectors over their length + 1, smooth at zero."""
    return x / (1 + (x.square().sum(-1, keepdim=True) + 1e-12).sqrt())


def components(axes: Tensor, v: Tensor) -> Tensor:
    """The vectors (batch, n, k, 3) of i, then those of j, in the frame of i and j.

    The frame of j and i has the first two axes turned round, so the second half is the transposed
    first one up to signs. Returns (batch, n, n, 6 k).
    """
    own = (axes.flatten(2, 3) @ v.mT).unflatten(2, (-1, 3))  # (batch, n, n, 3, k)
    turned, kept = own.transpose(1, 2).split([2, 1], 3)
    return torch.cat([own.flatten(3), -turned.flatten(3), kept.flatten(3)], -1)


def invariants(x: Tensor) -> Tensor:
    """Squared distance and soft cosine of each pair as seen from the centroid, (..., 2)."""
    squared = (x[:, :, None] - x[:, None]).square().sum(-1)
    short = shortened(x)
    return torch.stack([squared.log1p(), short @ short.mT], -1)


class Layer(nn.Module):
    def __init__(self, channels: int, vectors: int, known: int) -> None:
        super().__init__()
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.by_pair = nn.Linear(6 * (vectors + 1) + 2 + known, channels, bias=False)
        self.message = mlp(channels, channels, channels, activate_last=True)
        self.update = mlp(2 * channels, channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.push = small_init(mlp(channels, channels, 3))
        self.drift = small_init(mlp(channels, channels, vectors))

    def forward(
        self, h: Tensor, x: Tensor, v: Tensor, known: list[Tensor], share: Tensor
    ) -> tuple[Tensor, Tensor]:
        axes = frames(x)
        seen = components(axes, torch.cat([x.unsqueeze(2), v], 2)).asinh()
        pair = self.by_pair(torch.cat([seen, invariants(x), *known], -1))
        pair = pair + self.receive(h)[:, :, None] + self.send(h)[:, None]
        message = self.message(silu(pair))  # (batch, n, n, channels)
        pushes = (share * self.push(message)).flatten(2).unsqueeze(2)  # (batch, n, 1, 3 n)
        x = x + (pushes @ axes.flatten(2, 3)).squeeze(2)
        x = x + (self.drift(h).unsqueeze(-1) * v).sum(2)
        return self.norm(h + self.update(torch.cat([h, (share * message).sum(2)], -1))), x


class EVFN(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int) -> None:
        super().__init__()
        self.types = signature.inputs
        self.read = Reader(signature, channels, "evfn")
        vectors, known = self.read.vectors, count_pair_scalars(signature.inputs, "evfn")
        self.layers = nn.ModuleList(Layer(channels, vectors, known) for _ in range(depth))
        self.write = Writer(signature, channels, vectors, "evfn")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.read(inputs)
        bonds = pack_pairs(inputs, self.types)
        known = [] if bonds is None else [bonds]
        x, share = start, pair_share(inputs, start)
        for layer in self.layers:
            h, x = layer(h, x, v, known, share)
        return self.write(inputs, h, x - start, v)
