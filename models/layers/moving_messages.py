"""Invariant messages between points that move them: the layer of EGNN."""

import torch
from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.encoders import Motion
from models.layers.lengths import log_squared_length
from models.layers.mlp import SiLU, linear, mlp, small_init


class MovingMessages(nn.Module):
    def __init__(self, channels: int, vectors: int, attributes: int, motion: Motion) -> None:
        super().__init__()
        self.motion = motion
        # phi_e of (h_i, h_j, d^2, a_ij): its first layer is linear, so h_i and h_j pass it before
        # they meet, once per object and not once per edge.
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.edge = linear(motion.apart + attributes, channels, bias=False)
        self.message = nn.Sequential(SiLU(), *mlp(channels, channels, activate_last=True))
        self.update = mlp(2 * channels, channels, channels)  # phi_h
        edge_weights = int(motion.apart and motion.moves)
        self.edge_weight = small_init(mlp(channels, channels, edge_weights))  # phi_x
        vectors = vectors if motion.moves else 0
        self.velocity_weights = small_init(mlp(channels, channels, vectors))  # phi_v

    def forward(self, h: Tensor, x: Tensor, v: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        edge_vectors = edges.subtract(x)  # (batch, n, k, 3)
        messages = self.message(self.meet(h, edge_vectors, edges))
        if self.motion.moves and self.motion.apart:
            x = x + edges.aggregate(edges.mean_weights * self.edge_weight(messages), edge_vectors)
        if self.motion.moves:
            x = x + (self.velocity_weights(h).unsqueeze(-1) * v).sum(2)
        return h + self.update(torch.cat([h, edges.aggregate(edges.mean_weights, messages)], -1)), x

    def meet(self, h: Tensor, edge_vectors: Tensor, edges: Edges) -> Tensor:
        """Return the first linear layer of phi_e, (batch, n, k, channels)."""
        squared = log_squared_length(edge_vectors)
        invariants = edges.append_features(squared if self.motion.apart else squared[..., :0])
        hidden = edges.gather_senders(self.send(h))  # a fresh tensor
        hidden = hidden.add_(edges.gather_receivers(self.receive(h)))
        if invariants.shape[-1] == 0:
            return hidden
        if hidden.dtype == invariants.dtype == self.edge.weight.dtype:  # not so under autocast
            hidden.flatten(0, 2).addmm_(invariants.flatten(0, 2), self.edge.weight.mT)
            return hidden
        return hidden + self.edge(invariants)
