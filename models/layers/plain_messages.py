"""Messages between objects whose features are plain numbers: the layer of the GNN."""

import torch
from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.mlp import SiLU, mlp


class PlainMessages(nn.Module):
    def __init__(self, channels: int, attributes: int) -> None:
        super().__init__()
        # The first layer of a message is linear, so h_i and h_j pass it before they meet, once per
        # object and not once per edge.
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.message = nn.Sequential(SiLU(), *mlp(channels, channels, activate_last=True))
        self.update = mlp(2 * channels, channels, channels)
        self.edge = nn.Linear(attributes, channels, bias=False) if attributes else None

    def forward(self, h: Tensor, edges: Edges, attributes: Tensor | None) -> Tensor:
        hidden = edges.gather_senders(self.send(h))  # (batch, n, k, channels), a fresh tensor
        hidden.add_(edges.gather_receivers(self.receive(h)))
        if self.edge is not None:
            hidden = hidden + self.edge(attributes)
        aggregated = edges.aggregate(edges.mean_weights, self.message(hidden))
        return h + self.update(torch.cat([h, aggregated], -1))
