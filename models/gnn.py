"""Message-passing network over all pairs, unconstrained: coordinates are plain features."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models._fields import centroid, pack, unpack, width
from models._layers import mlp
from models._pairs import pair_share
from remul.fields import Fields, Signature


def build(signature: Signature, channels: int = 64, layers: int = 4) -> "GNN":
    """The GNN baseline of the EGNN paper (Satorras et al. 2021): mean of pairwise messages.

    Points enter relative to the centroid, so it commutes with translations and permutations but
    not with rotations. Takes any irreps; fields are (batch, n, dim).
    """
    return GNN(signature, channels, layers)


class Layer(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.message = mlp(channels, channels, last=True)
        self.update = mlp(2 * channels, channels, channels)

    def forward(self, h: Tensor, share: Tensor) -> Tensor:
        pair = self.receive(h)[:, :, None] + self.send(h)[:, None]  # (batch, n, n, channels)
        heard = (share * self.message(silu(pair))).sum(2)
        return h + self.update(torch.cat([h, heard], -1))


class GNN(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int) -> None:
        super().__init__()
        self.signature = signature
        self.embed = nn.Linear(width(signature.inputs), channels)
        self.layers = nn.ModuleList(Layer(channels) for _ in range(depth))
        self.readout = mlp(channels, channels, width(signature.outputs))

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        h = self.embed(pack(inputs, self.signature.inputs, centre))
        share = pair_share(inputs, h)
        for layer in self.layers:
            h = layer(h, share)
        return unpack(inputs, self.readout(h), self.signature.outputs, centre)
