"""Message-passing network with matrices of the edges and a gated memory; unconstrained."""

import torch
from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.fields import (
    centroid,
    check_outputs,
    coordinates,
    has_points,
    pack,
    pair_width,
    unpack,
    width,
)
from models.layers.lengths import log_squared_length
from models.layers.mlp import linear, mlp
from models.layers.neighbours import Reach, find_all_edges, limit_reach
from models.layers.samples import has_cell
from remul.fields import Fields, Signature

PAPER = {"channels": 64, "layers": 4}
FILTERS = 16


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "MPNN":
    """Return the message-passing network of Gilmer et al. 2017 (edge networks, gated updates).

    The message of j to i is A(e_ij) h_j, with a matrix made of the edge by a small network, of
    which the last layer is taken after the sum over j: no edge holds a matrix. The state of an
    object is updated by a gated recurrent unit, `layers` times with the same weights, and read
    beside the first one. Edges are squared distances as log(1 + d^2) and the fields of pairs;
    means, not sums. Points, from the centroid, and vectors are features of objects: no symmetry but
    permutations and translations. (The "MPNN" of tables of motion capture and MD17 has coordinates
    as features, too; by all we know it is the GNN of the EGNN paper, `gnn`, with distances on its
    edges.) In a cell, where there is no centroid, the vectors of edges are seen instead. The
    senders of an object are all others, its nearest `neighbours`, or those within the `cutoff`,
    towards which they fade out. Takes any irreps of objects, pairs and the whole sample; fields are
    (batch, n, dim). Raises `ValueError` for fields of pairs among the outputs.
    """
    return MPNN(signature, channels, layers, limit_reach(signature, neighbours, cutoff, "mpnn"))


class MPNN(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, reach: Reach) -> None:
        super().__init__()
        self.signature, self.depth, self.reach = signature, depth, reach
        check_outputs(signature, "mpnn")
        self.apart, self.in_cell = has_points(signature.inputs), has_cell(signature.inputs)
        numbers = self.apart + 3 * self.in_cell + pair_width(signature.inputs)
        self.embed = linear(width(signature.inputs), channels)
        self.filters = mlp(numbers, FILTERS, FILTERS, activate_last=True)
        self.message = nn.Linear(FILTERS * channels, channels)
        self.gates = nn.Linear(2 * channels, 2 * channels)
        self.from_message, self.from_state = (nn.Linear(channels, channels) for _ in range(2))
        self.readout = mlp(2 * channels, channels, width(signature.outputs))

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        start = h = self.embed(pack(inputs, types, centre))
        x = coordinates(inputs, types, centre)
        edges = find_all_edges(inputs, types, x, *self.reach)
        filters = edges.mean_weights * self.filters(self.see(edges))  # (batch, rows, k, FILTERS)
        for _ in range(self.depth):
            h = self.update(h, self.message(sum_filtered(h, filters, edges)))
        y = self.readout(torch.cat([h, start], -1))
        return unpack(inputs, y, self.signature.outputs, centre)

    def see(self, edges: Edges) -> Tensor:
        """Return what there is of the edges, (batch, rows, k, numbers)."""
        parts = [log_squared_length(edges.vectors)] if self.apart else []
        parts += [edges.vectors] if self.in_cell else []
        return edges.append_features(torch.cat(parts or [edges.vectors[..., :0]], -1))

    def update(self, h: Tensor, message: Tensor) -> Tensor:
        """Return the state after a message, by a gated recurrent unit (Cho et al. 2014)."""
        keep, reset = self.gates(torch.cat([message, h], -1)).sigmoid().chunk(2, -1)
        candidate = torch.tanh(self.from_message(message) + reset * self.from_state(h))
        return candidate + keep * (h - candidate)


def sum_filtered(h: Tensor, filters: Tensor, edges: Edges) -> Tensor:
    """Return the sums over j of h_j times each filter, (batch, n, FILTERS channels)."""
    if edges.senders is None:
        return torch.einsum("bijf,bjc->bifc", filters, h).flatten(2)
    return edges.sum_rows(filters.mT @ edges.gather_senders(h)).flatten(2)
