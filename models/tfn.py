"""Tensor field network: messages are Clebsch-Gordan products of features and spherical harmonics.

Exact for E(3), over all pairs or the nearest neighbours. Features are one stack of channels for
each l, of parity (-1)^l.
"""

from functools import partial

import torch
from torch import Tensor, nn

from models.layers.fields import centroid, check_points, coordinates, count_pair_scalars
from models.layers.mlp import mlp
from models.layers.neighbours import find_all_edges
from models.layers.tensor_products import RADIAL_BASIS, Coupling, EdgeEmbedding, Embed, Readout
from remul.fields import Fields, Rep, Signature
from remul.lie import Stages

EQUIVARIANT = True
VERSION = 2
PAPER = {"channels": 32, "layers": 4, "degree": 1}


def build(
    signature: Signature,
    channels: int = 32,
    layers: int = 3,
    degree: int = 2,
    neighbours: int | None = None,
) -> "TFN":
    """Return a tensor field network (Thomas et al. 2018) with gates, residuals and mean messages.

    `degree` is the highest l of features and of spherical harmonics. The kernel of a path
    (l_in, l_sh, l_out) is M[u, v] R_l_in,v(d) Y_l_sh: channel v has one learned function of the
    distance for all paths from l_in, and the mix M acts after the sum over the senders, so that no
    kernel of channels by channels is made for an edge. R takes a log-spaced basis, 0.01 to 100 in
    the units of the points, and the scalars of the pair. The senders of an object are all others,
    or its nearest `neighbours`. Takes irreps of parity (-1)^l up to `degree`, and 0e of pairs;
    fields are (batch, n, dim). Raises `ValueError` for others. `PAPER` is the baseline of Satorras
    et al.'s N-body study: 64 features, half of them scalars and half vectors.
    """
    return TFN(signature, channels, layers, degree, neighbours)


class Layer(nn.Module):
    def __init__(self, channels: int, coupling: Coupling, radial_width: int) -> None:
        super().__init__()
        self.coupling, ls = coupling, range(coupling.lmax + 1)
        self.radial = mlp(radial_width, RADIAL_BASIS, len(ls) * channels)
        self.mix = nn.ModuleList(
            nn.Linear(channels * coupling.count_paths(l), channels, bias=l == 0) for l in ls
        )
        self.gate = mlp(2 * channels, channels, len(ls) * channels)

    def forward(self, h: list[Tensor], embedding: EdgeEmbedding) -> list[Tensor]:
        mixed = [mix(m) for mix, m in zip(self.mix, self.messages(h, embedding), strict=True)]
        invariants = torch.cat([h[0], mixed[0]], -1).squeeze(-2)  # (batch, n, 2 channels)
        scalars, *gates = self.gate(invariants).unsqueeze(-2).chunk(len(h), -1)
        gated = [gate * m for gate, m in zip(gates, mixed[1:], strict=True)]
        return [x + y for x, y in zip(h, [scalars, *gated], strict=True)]

    def messages(self, h: list[Tensor], embedding: EdgeEmbedding) -> list[Tensor]:
        """Return means over j of the products, (batch, n, 2 l + 1, paths * channels) by l."""
        radial = self.radial(embedding.radial).unsqueeze(3).chunk(len(h), -1)
        messages = [r * x for r, x in zip(radial, embedding.gather_senders(h), strict=True)]
        sums = self.coupling.aggregate(messages, embedding.angular)
        return [torch.cat(parts, -1) for parts in sums]


class TFN(nn.Module):
    def __init__(
        self,
        signature: Signature,
        channels: int,
        depth: int,
        lmax: int,
        neighbours: int | None,
    ) -> None:
        super().__init__()
        self.signature, self.lmax, self.neighbours = signature, lmax, neighbours
        check_points(signature, "tfn")
        radial_width = RADIAL_BASIS + count_pair_scalars(signature.inputs, "tfn")
        self.coupling = Coupling(lmax)
        self.embed = Embed(signature.inputs, channels, lmax, "tfn")
        self.layers = nn.ModuleList(
            Layer(channels, self.coupling, radial_width) for _ in range(depth)
        )
        self.readout = Readout(signature, channels, lmax, "tfn")

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        embedding = self.embed_edges(inputs, centre)
        h = self.embed(inputs, centre)
        for layer in self.layers:
            h = layer(h, embedding)
        return self.readout(inputs, h)

    def embed_edges(self, inputs: Fields, centre: Tensor) -> EdgeEmbedding:
        """Return what the layers need of the edges, weighted for a mean over the senders."""
        types = self.signature.inputs
        x = coordinates(inputs, types, centre)
        edges = find_all_edges(inputs, types, x, self.neighbours)
        return self.coupling.embed(edges, edges.mean_weights)

    def stages(self) -> Stages:
        """Return the forward pass as a chain: features by l join the inputs as typed fields."""
        types_in = self.signature.inputs
        hidden = {f"hidden {l}": Rep(f"{l}{'eo'[l % 2]}") for l in range(self.lmax + 1)}

        def add_hidden(fields: Fields, h: list[Tensor]) -> Fields:
            return fields | {name: x.mT for name, x in zip(hidden, h, strict=True)}

        def get_hidden(fields: Fields) -> list[Tensor]:
            return [fields[name].mT for name in hidden]

        def embed(fields: Fields) -> Fields:
            return add_hidden(fields, self.embed(fields, centroid(fields, types_in)))

        def step(layer: Layer, fields: Fields) -> Fields:
            embedding = self.embed_edges(fields, centroid(fields, types_in))
            return add_hidden(fields, layer(get_hidden(fields), embedding))

        def read_out(fields: Fields) -> Fields:
            return self.readout(fields, get_hidden(fields))

        steps = {f"layers.{i}": partial(step, layer) for i, layer in enumerate(self.layers)}
        types = {**types_in, **hidden}
        chain = {name: (stage, types) for name, stage in ({"embed": embed} | steps).items()}
        return chain | {"readout": (read_out, self.signature.outputs)}
