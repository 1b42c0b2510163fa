"""E(n)-equivariant graph network with velocities, over all pairs; exact for E(3)."""

import torch
from torch import Tensor, nn

from models.layers.encoders import Reader, Writer
from models.layers.fields import count_pair_scalars
from models.layers.mlp import SiLU, mlp, small_init
from models.layers.neighbours import Pairs, others
from remul.fields import Fields, Signature

EQUIVARIANT = True
PAPER = {"channels": 64, "layers": 4}


def build(
    signature: Signature, channels: int = 64, layers: int = 4, neighbours: int | None = None
) -> "EGNN":
    """EGNN with velocities (Satorras et al. 2021, equations 3 to 7), means instead of sums.

    Squared distances enter as log(1 + d^2), which keeps wide clouds from blowing up. Invariant
    features are the scalars and the lengths of all vectors; the coordinates that move
    are those of the first point field. Points also count as vectors from the centroid. Fields of
    pairs are edge attributes. Each object hears all others, or its nearest `neighbours`. Takes 0e
    and 1o, of pairs 0e; fields are (batch, n, dim). Raises `ValueError` for other irreps.
    """
    return EGNN(signature, channels, layers, neighbours)


class Layer(nn.Module):
    def __init__(self, channels: int, vectors: int, attributes: int) -> None:
        super().__init__()
        self.receive, self.send = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.edge = nn.Linear(1 + attributes, channels, bias=False)
        self.message = nn.Sequential(SiLU(), *mlp(channels, channels, activate_last=True))
        self.update = mlp(2 * channels, channels, channels)
        self.attract = small_init(mlp(channels, channels, 1))
        self.drift = small_init(mlp(channels, channels, vectors))

    def forward(self, h: Tensor, x: Tensor, v: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
        apart = x[:, :, None] - pairs.sent(x)  # (batch, n, k, 3)
        edge = apart.square().sum(-1, keepdim=True).log1p()
        if pairs.features is not None:
            edge = torch.cat([edge, pairs.features], -1)
        pair = pairs.sent(self.send(h)).add_(self.receive(h)[:, :, None])  # (batch, n, k, channels)
        pair.flatten(0, 2).addmm_(edge.flatten(0, 2), self.edge.weight.mT)
        message = self.message(pair)
        x = x + pairs.total(pairs.share * self.attract(message), apart)
        x = x + (self.drift(h).unsqueeze(-1) * v).sum(2)
        return h + self.update(torch.cat([h, pairs.total(pairs.share, message)], -1)), x


class EGNN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, neighbours: int | None
    ) -> None:
        super().__init__()
        self.types, self.neighbours = signature.inputs, neighbours
        self.read = Reader(signature, channels, "egnn")
        vectors, attributes = self.read.vectors, count_pair_scalars(signature.inputs, "egnn")
        self.layers = nn.ModuleList(Layer(channels, vectors, attributes) for _ in range(depth))
        self.write = Writer(signature, channels, vectors, "egnn")

    def forward(self, inputs: Fields) -> Fields:
        h, start, v = self.read(inputs)
        x, pairs = start, others(inputs, self.types, start, self.neighbours)
        for layer in self.layers:
            h, x = layer(h, x, v, pairs)
        return self.write(inputs, h, x - start, v)
