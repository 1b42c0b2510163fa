"""EGNN with features of high degree, which messages see by their inner products; exact for E(3)."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.encoders import Decoder, Encoder, Motion, plan_motions
from models.layers.fields import count_pair_scalars, has_points
from models.layers.lengths import log_squared_length
from models.layers.messages import Messages
from models.layers.mlp import linear, mlp, small_init
from models.layers.moving_messages import MovingMessages
from models.layers.neighbours import Reach, find_edges, limit_reach
from models.layers.tensor_product_backends import spherical_harmonics
from remul.fields import Fields, Signature

EQUIVARIANT = True
PAPER = {"channels": 64, "layers": 4, "degree": 3}


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    degree: int = 3,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "HEGNN":
    """Return the high-degree EGNN (Cen et al. 2024) with velocities, means instead of sums.

    Beside its place each object has one steerable feature for each degree from 1 to `degree`: first
    a mean of the spherical harmonics of its edges, in each layer moved by weighted differences from
    its senders'. Messages see the inner products of two objects' as asinh, all else is `egnn`:
    squared distances enter as log(1 + d^2), which keeps wide clouds from blowing up. The senders of
    an object are all others, its nearest `neighbours`, or those within the `cutoff`, towards which
    they fade out; in a cell, where points are no features, images too. Takes 0e and 1o, of pairs
    0e; fields are (batch, n, dim). Raises `ValueError` for other irreps and a degree below 0.
    """
    if degree < 0:
        raise ValueError(f"hegnn needs a degree of at least 0, got {degree}")
    reach = limit_reach(signature, neighbours, cutoff, "hegnn")
    return HEGNN(signature, channels, layers, degree, reach)


class Layer(nn.Module):
    """The layer of EGNN, whose messages see products of steerable features and move those too."""

    def __init__(
        self, channels: int, vectors: int, attributes: int, motion: Motion, degrees: tuple[int, int]
    ) -> None:
        super().__init__()
        seen, steered = degrees
        self.egnn = MovingMessages(channels, vectors, seen + attributes, motion)
        self.steer = small_init(mlp(channels, channels, steered))

    def forward(
        self, h: Tensor, x: Tensor, v: Tensor, steerable: Tensor, by_degree: Tensor, edges: Edges
    ) -> tuple[Tensor, Tensor, Tensor]:
        theirs, own = edges.gather_senders(steerable), edges.gather_receivers(steerable)
        products = ((own * theirs) @ by_degree).asinh()  # (batch, n, k, degrees)
        seen = replace(edges, features=edges.append_features(products))
        h, x, messages = self.egnn.exchange(h, x, v, seen)
        weights = self.steer(messages)  # (batch, n, k, degrees), none in the last layer
        if weights.shape[-1]:
            moves = (weights @ by_degree.mT) * (own - theirs)
            steerable = steerable + edges.aggregate(edges.mean_weights, moves)
        return h, x, steerable


class HEGNN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, degree: int, reach: Reach
    ) -> None:
        super().__init__()
        self.types, self.reach = signature.inputs, reach
        self.degree = degree if has_points(signature.inputs) else 0
        self.encoder = Encoder(signature, channels, "hegnn")
        vectors, attributes = self.encoder.vectors, count_pair_scalars(signature.inputs, "hegnn")
        blocks = [torch.ones(2 * l + 1, 1) for l in range(1, self.degree + 1)]
        table = torch.block_diag(*blocks) if blocks else torch.zeros(0, 0)
        self.register_buffer("by_degree", table, persistent=False)  # (components, degrees)
        self.first = Messages(channels, 1 + attributes) if self.degree else None
        self.steer = linear(channels, self.degree)
        motions = plan_motions(signature, depth, "hegnn")
        degrees = [(self.degree, self.degree * (i < depth - 1)) for i in range(depth)]
        self.layers = nn.ModuleList(
            Layer(channels, vectors, attributes, motion, d)
            for motion, d in zip(motions, degrees, strict=True)
        )
        self.decoder = Decoder(signature, channels, any(m.moves for m in motions), "hegnn")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.encoder(inputs)
        x, edges = start, find_edges(inputs, self.types, start, *self.reach)
        steerable, by_degree = self.start(h, edges), self.by_degree.to(h)
        for layer in self.layers:
            h, x, steerable = layer(h, x, v, steerable, by_degree, edges)
        return self.decoder(inputs, h, x - start, v)

    def start(self, h: Tensor, edges: Edges) -> Tensor:
        """Return steerable features of all degrees side by side, (batch, n, components)."""
        if self.first is None:
            return h[..., :0]
        numbers = edges.append_features(log_squared_length(edges.vectors))
        weights = self.steer(self.first(h, numbers, edges)) @ self.by_degree.to(h).mT
        harmonics = spherical_harmonics(edges.vectors, self.degree)[..., 1:]
        return edges.aggregate(edges.mean_weights, weights * harmonics)
