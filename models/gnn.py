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
from models.layers.neighbours import Pairs, others
from remul.fields import Fields, Signature

PAPER = {"channels": 64, "layers": 4}


def build(
    signature: Signature, channels: int = 64, layers: int = 4, neighbours: int | None = None
) -> "GNN":
    """The GNN baseline of the EGNN paper (Satorras et al. 2021): mean of pairwise messages.

    Points enter relative to the centroid, so it commutes with translations and permutations but
    not with rotations. Each object hears all others, or its nearest `neighbours`. Takes any irreps
    of objects, pairs and the whole sample; fields are (batch, n, dim).
    """
    return GNN(signature, channels, layers, neighbours)


class Layer(nn.Module):
    def __init__(self, channels: int, pairs: int) -> None:
        super().__init__()
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.message = nn.Sequential(SiLU(), *mlp(channels, channels, activate_last=True))
        self.update = mlp(2 * channels, channels, channels)
        self.between = nn.Linear(pairs, channels, bias=False) if pairs else None

    def forward(self, h: Tensor, pairs: Pairs) -> Tensor:
        pair = pairs.sent(self.send(h)).add_(self.receive(h)[:, :, None])  # (batch, n, k, channels)
        if self.between is not None:
            pair = pair + self.between(pairs.features)
        mean = pairs.total(pairs.share, self.message(pair))
        return h + self.update(torch.cat([h, mean], -1))


class GNN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, neighbours: int | None
    ) -> None:
        super().__init__()
        self.signature, self.neighbours = signature, neighbours
        check_outputs(signature, "gnn")
        pairs = pair_width(signature.inputs)
        self.embed = nn.Linear(width(signature.inputs), channels)
        self.layers = nn.ModuleList(Layer(channels, pairs) for _ in range(depth))
        self.readout = mlp(channels, channels, width(signature.outputs))

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        h = self.embed(pack(inputs, types, centre))
        pairs = others(inputs, types, coordinates(inputs, types, centre), self.neighbours)
        for layer in self.layers:
            h = layer(h, pairs)
        return unpack(inputs, self.readout(h), self.signature.outputs, centre)
