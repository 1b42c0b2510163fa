"""Message-passing network over all pairs, unconstrained: coordinates are plain features."""

from torch import nn

from models.layers.fields import (
    centroid,
    check_outputs,
    coordinates,
    pack,
    pair_width,
    unpack,
    width,
)
from models.layers.mlp import linear, mlp
from models.layers.neighbours import Reach, find_edges, limit_reach
from models.layers.plain_messages import PlainMessages
from models.layers.samples import has_cell
from remul.fields import Fields, Signature

PAPER = {"channels": 64, "layers": 4}


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "GNN":
    """Return the GNN baseline of the EGNN paper (Satorras et al. 2021) with means of messages.

    Points enter relative to the centroid, so it commutes with translations and permutations but
    not with rotations. The senders of an object are all others, its nearest `neighbours`, or those
    within the `cutoff`, towards which they fade out. In a cell, where there is no centroid and
    images send as well, the vectors of edges are features instead of points. Takes any irreps of
    objects, pairs and the whole sample; fields are (batch, n, dim). Raises `ValueError` for fields
    of pairs among the outputs.
    """
    return GNN(signature, channels, layers, limit_reach(signature, neighbours, cutoff, "gnn"))


class GNN(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, reach: Reach) -> None:
        super().__init__()
        self.signature, self.reach = signature, reach
        check_outputs(signature, "gnn")
        self.in_cell = has_cell(signature.inputs)
        attributes = pair_width(signature.inputs) + 3 * self.in_cell
        self.embed = linear(width(signature.inputs), channels)
        self.layers = nn.ModuleList(PlainMessages(channels, attributes) for _ in range(depth))
        self.readout = mlp(channels, channels, width(signature.outputs))

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        h = self.embed(pack(inputs, types, centre))
        edges = find_edges(inputs, types, coordinates(inputs, types, centre), *self.reach)
        attributes = edges.append_features(edges.vectors) if self.in_cell else edges.features
        for layer in self.layers:
            h = layer(h, edges, attributes)
        return unpack(inputs, self.readout(h), self.signature.outputs, centre)
