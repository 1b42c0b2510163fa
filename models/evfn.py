"""Equivariant vector field network: scalars of local frames in, frames out; exact for SE(3).

The second axis of a frame is a cross product, which reflections turn the wrong way: unlike networks
of distances it can tell left from right, and has to learn mirror images one by one.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.layers.edges import Edges
from models.layers.encoders import Decoder, Encoder, Motion, plan_motions
from models.layers.fields import count_pair_scalars, refuse_cell
from models.layers.frames import build_frames, edge_invariants, scalarize
from models.layers.mlp import linear, mlp, small_init
from models.layers.neighbours import Reach, find_all_edges, limit_reach
from remul.fields import Fields, Signature

EQUIVARIANT = "SE3"
VERSION = 2
PAPER = {"channels": 64, "layers": 4}


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "EVFN":
    """Return the equivariant vector field network (Du et al. 2022, later ClofNet), means, not sums.

    Every pair has a frame e1 = x_i - x_j, e2 = x_i x x_j, e3 = e1 x e2 about the centroid, each of
    the first two over its length + 1. Scalarization: messages see the vectors of both objects as
    components in it. Vectorization: they move x_i by a mix of its axes; vectors also move their own
    object. Lengths and scalars are the first features; squared distances enter as log(1 + d^2) and
    components as asinh, which keeps wide clouds from blowing up. The coordinates that move are
    those of the first point field; points also count as vectors from the centroid. The senders of
    an object are all others, its nearest `neighbours`, or those within the `cutoff`, towards which
    they fade out. Takes 0e and 1o; fields are (batch, n, dim). Raises `ValueError` for other
    irreps, for pair fields that are not 0e, and for a cell, which has no centroid.
    """
    return EVFN(signature, channels, layers, limit_reach(signature, neighbours, cutoff, "evfn"))


class Layer(nn.Module):
    def __init__(self, channels: int, vectors: int, attributes: int, motion: Motion) -> None:
        super().__init__()
        self.motion = motion
        # The first layer of a message is linear, so h_i and h_j pass it before they meet, once per
        # object and not once per pair.
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        invariants = 6 * (vectors + 1) + 2 if motion.apart else 0
        self.pair = linear(invariants + attributes, channels, bias=False)
        self.message = mlp(channels, channels, channels, activate_last=True)
        self.update = mlp(2 * channels, channels, channels)
        self.norm = nn.LayerNorm(channels)
        axes = 3 if motion.apart and motion.moves else 0
        self.axis_weights = small_init(mlp(channels, channels, axes))
        vectors = vectors if motion.moves else 0
        self.velocity_weights = small_init(mlp(channels, channels, vectors))

    def forward(self, h: Tensor, x: Tensor, v: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        attributes, frames = [] if edges.features is None else [edges.features], None
        if self.motion.apart:
            edge_vectors = edges.subtract(x)
            frames = build_frames(x, edge_vectors, edges)
            scalars = scalarize(frames, torch.cat([x.unsqueeze(2), v], 2), edges).asinh()
            attributes = [scalars, edge_invariants(x, edge_vectors, edges), *attributes]
        messages = self.message(silu(self.meet(h, attributes, edges)))
        if self.motion.moves:
            x = x + self.displace(h, v, messages, frames, edges)
        aggregated = edges.sum_rows((edges.mean_weights * messages).sum(2))
        return self.norm(h + self.update(torch.cat([h, aggregated], -1))), x

    def meet(self, h: Tensor, attributes: list[Tensor], edges: Edges) -> Tensor:
        """Return the first linear layer of the messages, (batch, rows, k, channels)."""
        hidden = self.pair(torch.cat(attributes, -1)) if attributes else 0
        received, sent = edges.gather_receivers(self.receive(h)), edges.gather_senders(self.send(h))
        return hidden + received + sent

    def displace(
        self, h: Tensor, v: Tensor, messages: Tensor, frames: Tensor | None, edges: Edges
    ) -> Tensor:
        """Return displacements, (batch, n, 3), along axes of frames and along own vectors."""
        displacement = (self.velocity_weights(h).unsqueeze(-1) * v).sum(2)
        if frames is None:
            return displacement
        # vectorization, one product over j and the axes: (batch, rows, 1, 3 k) and (..., 3 k, 3)
        mix = (edges.mean_weights * self.axis_weights(messages)).flatten(2).unsqueeze(2)
        return displacement + edges.sum_rows((mix @ frames.flatten(2, 3)).squeeze(2))


class EVFN(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, reach: Reach) -> None:
        super().__init__()
        self.types, self.reach = signature.inputs, reach
        refuse_cell(signature, "evfn")
        self.encoder = Encoder(signature, channels, "evfn")
        vectors, attributes = self.encoder.vectors, count_pair_scalars(signature.inputs, "evfn")
        motions = plan_motions(signature, depth, "evfn")
        self.layers = nn.ModuleList(
            Layer(channels, vectors, attributes, motion) for motion in motions
        )
        self.decoder = Decoder(signature, channels, any(m.moves for m in motions), "evfn")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.encoder(inputs)
        x, edges = start, find_all_edges(inputs, self.types, start, *self.reach)
        for layer in self.layers:
            h, x = layer(h, x, v, edges)
        return self.decoder(inputs, h, x - start, v)
