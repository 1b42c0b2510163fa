"""Invariant messages between points that move them: the layer of EGNN."""

import torch
from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.encoders import Motion
from models.layers.lengths import log_squared_length
from models.layers.messages import Messages
from models.layers.mlp import mlp, small_init


class MovingMessages(nn.Module):
    def __init__(self, channels: int, vectors: int, attributes: int, motion: Motion) -> None:
        super().__init__()
        self.motion = motion
        self.messages = Messages(channels, motion.apart + attributes)  # phi_e
        self.update = mlp(2 * channels, channels, channels)  # phi_h
        edge_weights = int(motion.apart and motion.moves)
        self.edge_weight = small_init(mlp(channels, channels, edge_weights))  # phi_x
        vectors = vectors if motion.moves else 0
        self.velocity_weights = small_init(mlp(channels, channels, vectors))  # phi_v

    def forward(self, h: Tensor, x: Tensor, v: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        return self.exchange(h, x, v, edges)[:2]

    def exchange(
        self, h: Tensor, x: Tensor, v: Tensor, edges: Edges
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return features and places, and the messages that moved them."""
        edge_vectors = edges.subtract(x)  # (batch, n, k, 3)
        # Not by `forward`, which would keep the numbers of pairs until the message is made.
        messages = self.messages.message(
            self.messages.meet(h, self.see(edge_vectors, edges), edges)
        )
        if self.motion.moves and self.motion.apart:
            x = x + edges.aggregate(edges.mean_weights * self.edge_weight(messages), edge_vectors)
        if self.motion.moves:
            x = x + (self.velocity_weights(h).unsqueeze(-1) * v).sum(2)
        h = h + self.update(torch.cat([h, edges.aggregate(edges.mean_weights, messages)], -1))
        return h, x, messages

    def see(self, edge_vectors: Tensor, edges: Edges) -> Tensor:
        """Return the numbers of pairs, (batch, n, k, 1 + attributes)."""
        squared = log_squared_length(edge_vectors)
        return edges.append_features(squared if self.motion.apart else squared[..., :0])
