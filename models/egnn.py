"""E(n)-equivariant graph network with velocities, over all pairs; exact for E(3)."""

from torch import nn

from models.layers.encoders import Decoder, Encoder, plan_motions
from models.layers.fields import count_pair_scalars
from models.layers.moving_messages import MovingMessages
from models.layers.neighbours import Reach, find_edges, limit_reach
from remul.fields import Fields, Signature

EQUIVARIANT = True
VERSION = 2
PAPER = {"channels": 64, "layers": 4}


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "EGNN":
    """Return EGNN with velocities (Satorras et al. 2021, equations 3 to 7), means instead of sums.

    Squared distances enter as log(1 + d^2), which keeps wide clouds from blowing up. Invariant
    features are the scalars and the lengths of all vectors; the coordinates that move are those of
    the first point field. Points also count as vectors from the centroid. Fields of pairs are edge
    attributes. The senders of an object are all others, its nearest `neighbours`, or those within
    the `cutoff`, towards which they fade out; in a cell, where points are no features, images too.
    Takes 0e and 1o, of pairs 0e; fields are (batch, n, dim). Raises `ValueError` for other irreps.
    """
    return EGNN(signature, channels, layers, limit_reach(signature, neighbours, cutoff, "egnn"))


class EGNN(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, reach: Reach) -> None:
        super().__init__()
        self.types, self.reach = signature.inputs, reach
        self.encoder = Encoder(signature, channels, "egnn")
        vectors, attributes = self.encoder.vectors, count_pair_scalars(signature.inputs, "egnn")
        motions = plan_motions(signature, depth, "egnn")
        self.layers = nn.ModuleList(
            MovingMessages(channels, vectors, attributes, motion) for motion in motions
        )
        self.decoder = Decoder(signature, channels, any(m.moves for m in motions), "egnn")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.encoder(inputs)
        x, edges = start, find_edges(inputs, self.types, start, *self.reach)
        for layer in self.layers:
            h, x = layer(h, x, v, edges)
        return self.decoder(inputs, h, x - start, v)
