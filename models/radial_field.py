"""Radial field: points moved along their pairs by functions of distance alone; exact for E(3)."""

from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.encoders import Decoder, Encoder
from models.layers.fields import count_pair_scalars, has_points, multiplicities
from models.layers.lengths import log_squared_length
from models.layers.messages import Messages
from models.layers.mlp import mlp, small_init
from models.layers.neighbours import Reach, find_edges, limit_reach
from remul.fields import Fields, Signature

EQUIVARIANT = True
PAPER = {"channels": 64, "layers": 4}


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "RadialField":
    """Return the radial field (Köhler et al. 2019) with velocities, as the EGNN paper has it.

    Each layer moves x_i by the mean of (x_i - x_j) phi(d, s_i, s_j, a_ij) and by its own vectors
    times functions of s_i. What objects are, s, their scalars and the lengths of their vectors,
    stays as it is: nothing is passed on but places. Output scalars see the last places by one more
    message. Squared distances enter as log(1 + d^2), which keeps wide clouds from blowing up. The
    senders of an object are all others, its nearest `neighbours`, or those within the `cutoff`,
    towards which they fade out; in a cell, where points are no features, images too. Takes 0e and
    1o, of pairs 0e; fields are (batch, n, dim). Raises `ValueError` for other irreps.
    """
    reach = limit_reach(signature, neighbours, cutoff, "radial_field")
    return RadialField(signature, channels, layers, reach)


class Layer(nn.Module):
    """A move of all points, which lie `apart` or are all in one place."""

    def __init__(self, channels: int, vectors: int, attributes: int, apart: bool) -> None:
        super().__init__()
        self.messages = Messages(channels, 1 + attributes) if apart else None
        self.edge_weight = small_init(mlp(channels, 1)) if apart else None
        self.velocity_weights = small_init(mlp(channels, channels, vectors))

    def forward(self, h: Tensor, x: Tensor, v: Tensor, edges: Edges) -> Tensor:
        moved = x + (self.velocity_weights(h).unsqueeze(-1) * v).sum(2)
        if self.messages is None:
            return moved
        edge_vectors = edges.subtract(x)  # (batch, n, k, 3)
        numbers = edges.append_features(log_squared_length(edge_vectors))
        weights = edges.mean_weights * self.edge_weight(self.messages(h, numbers, edges))
        return moved + edges.aggregate(weights, edge_vectors)


class RadialField(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, reach: Reach) -> None:
        super().__init__()
        self.types, self.reach = signature.inputs, reach
        self.encoder = Encoder(signature, channels, "radial_field")
        vectors, points = self.encoder.vectors, has_points(signature.inputs)
        attributes = count_pair_scalars(signature.inputs, "radial_field")
        moving = points or vectors > 0
        self.layers = nn.ModuleList(
            Layer(channels, vectors, attributes, points or layer > 0)
            for layer in range(depth * moving)
        )
        self.apart = points or (moving and depth > 0)
        scalars = multiplicities(signature.outputs, 1, "radial_field")[0]
        self.last = Messages(channels, self.apart + attributes) if scalars else None
        self.decoder = Decoder(signature, channels, len(self.layers) > 0, "radial_field")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.encoder(inputs)
        x, edges = start, find_edges(inputs, self.types, start, *self.reach)
        for layer in self.layers:
            x = layer(h, x, v, edges)
        if self.last is not None:
            squared = log_squared_length(edges.subtract(x))
            numbers = edges.append_features(squared if self.apart else squared[..., :0])
            messages = self.last(h, numbers, edges)
            h = h + edges.aggregate(edges.mean_weights, messages)
        return self.decoder(inputs, h, x - start, v)
