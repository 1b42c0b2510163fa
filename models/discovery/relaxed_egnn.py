"""EGNN with a free path of plain messages beside each layer: as equivariant as its weights say."""

import torch
from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.encoders import Decoder, Encoder, Motion, plan_motions
from models.layers.fields import count_pair_scalars, refuse_cell
from models.layers.mlp import linear, scale_weights
from models.layers.moving_messages import MovingMessages
from models.layers.neighbours import Reach, find_edges, limit_reach
from models.layers.plain_messages import PlainMessages
from remul.fields import Fields, Signature


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    neighbours: int | None = None,
    cutoff: float | None = None,
    start: float = 0.1,
) -> "RelaxedEGNN":
    """Return f = f_exact + gamma_i f_free in each layer i (ACE, Manolache et al. 2025).

    The exact path is the layer of `egnn`, the free one that of `gnn`, which sees features, places
    from the centroid and vectors as plain numbers and adds to features and places. gamma_i is a
    weight, at first `start` (1 in the paper, which trains for longer); where all are 0 the network
    is `egnn`. Fields as `egnn` takes them; raises
    `ValueError` for others, and for a cell, which has no centroid.
    """
    reach = limit_reach(signature, neighbours, cutoff, "relaxed_egnn")
    return RelaxedEGNN(signature, channels, layers, reach, start)


class Layer(nn.Module):
    def __init__(
        self, channels: int, vectors: int, attributes: int, motion: Motion, start: float
    ) -> None:
        super().__init__()
        self.apart = motion.apart
        self.exact = MovingMessages(channels, vectors, attributes, motion)
        self.enter = nn.Linear(channels + 3 * (motion.apart + vectors), channels)
        self.free = PlainMessages(channels, attributes)
        self.move = scale_weights(linear(channels, 3), 1e-2) if motion.moves else None
        self.gamma = nn.Parameter(torch.full((1,), start))

    def forward(self, h: Tensor, x: Tensor, v: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        seen = [h, *([x] if self.apart else []), v.flatten(2)]
        free = self.free(self.enter(torch.cat(seen, -1)), edges, edges.features)
        h, x = self.exact(h, x, v, edges)
        x = x if self.move is None else x + self.gamma * self.move(free)
        return h + self.gamma * free, x


class RelaxedEGNN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, reach: Reach, start: float
    ) -> None:
        super().__init__()
        refuse_cell(signature, "relaxed_egnn")
        self.types, self.reach = signature.inputs, reach
        self.encoder = Encoder(signature, channels, "relaxed_egnn")
        attributes = count_pair_scalars(signature.inputs, "relaxed_egnn")
        motions = plan_motions(signature, depth, "relaxed_egnn")
        self.layers = nn.ModuleList(
            Layer(channels, self.encoder.vectors, attributes, motion, start) for motion in motions
        )
        moves = any(motion.moves for motion in motions)
        self.decoder = Decoder(signature, channels, moves, "relaxed_egnn")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.encoder(inputs)
        x, edges = start, find_edges(inputs, self.types, start, *self.reach)
        for layer in self.layers:
            h, x = layer(h, x, v, edges)
        return self.decoder(inputs, h, x - start, v)

    def gammas(self) -> dict[str, Tensor]:
        """Return the weight of each free path, by a name that counts the layers from 1."""
        return {f"gamma_{i}": layer.gamma[0] for i, layer in enumerate(self.layers, 1)}
