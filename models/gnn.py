"""Message-passing network over all pairs, unconstrained: coordinates are plain features."""

import torch
from torch import Tensor, nn

from models.layers.fields import (
    centroid,
    check_outputs,
    coordinates,
    pack,
    pair_width,
    unpack,
    width,
)
from models.layers.mlp import SiLU, mlp
from models.layers.neighbours import Edges, find_edges
from remul.fields import Fields, Signature

PAPER = {"channels": 64, "layers": 4}


def build(
    signature: Signature, channels: int = 64, layers: int = 4, neighbours: int | None = None
) -> "GNN":
    """Return the GNN baseline of the EGNN paper (Satorras et al. 2021) with means of messages.

    Points enter relative to the centroid, so it commutes with translations and permutations but
    not with rotations. The senders of an object are all others, or its nearest `neighbours`. Takes
    any irreps of objects, pairs and the whole sample; fields are (batch, n, dim). Raises
    `ValueError` for fields of pairs among the outputs.
    """
    return GNN(signature, channels, layers, neighbours)


class Layer(nn.Module):
    def __init__(self, channels: int, attributes: int) -> None:
        super().__init__()
        # The first layer of a message is linear, so h_i and h_j pass it before they meet, once per
        # object and not once per edge.
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.message = nn.Sequential(SiLU(), *mlp(channels, channels, activate_last=True))
        self.update = mlp(2 * channels, channels, channels)
        self.edge = nn.Linear(attributes, channels, bias=False) if attributes else None

    def forward(self, h: Tensor, edges: Edges) -> Tensor:
        hidden = edges.gather_senders(self.send(h))  # (batch, n, k, channels), a fresh tensor
        hidden.add_(self.receive(h)[:, :, None])
        if self.edge is not None:
            hidden = hidden + self.edge(edges.features)
        aggregated = edges.aggregate(edges.mean_weights, self.message(hidden))
        return h + self.update(torch.cat([h, aggregated], -1))


class GNN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, neighbours: int | None
    ) -> None:
        super().__init__()
        self.signature, self.neighbours = signature, neighbours
        check_outputs(signature, "gnn")
        attributes = pair_width(signature.inputs)
        self.embed = nn.Linear(width(signature.inputs), channels)
        self.layers = nn.ModuleList(Layer(channels, attributes) for _ in range(depth))
        self.readout = mlp(channels, channels, width(signature.outputs))

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        h = self.embed(pack(inputs, types, centre))
        edges = find_edges(inputs, types, coordinates(inputs, types, centre), self.neighbours)
        for layer in self.layers:
            h = layer(h, edges)
        return unpack(inputs, self.readout(h), self.signature.outputs, centre)
