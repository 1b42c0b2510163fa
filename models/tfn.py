"""Tensor field network: messages are Clebsch-Gordan products of features and spherical harmonics.

Exact for E(3), over all pairs or the nearest neighbours. Features are one stack of channels for
each degree l, of parity (-1)^l.
"""

from functools import partial

import torch
from torch import Tensor, nn

from models.layers.fields import centroid, check_points, coordinates, count_pair_scalars
from models.layers.mlp import mlp
from models.layers.neighbours import heard
from models.layers.tensor_products import RADII, Coupling, Edges, Embed, Readout
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
    """Tensor field network (Thomas et al. 2018) with gates, residuals and mean messages.

    `degree` is the highest l of features and of spherical harmonics. The kernel of a path
    (a, b, c) is M[u, v] R_a,v(d) Y_b: channel v has one learned function of the distance for all
    paths from degree a, and the mix M acts after the sum over the neighbours, so that no kernel
    of channels by channels is made for a pair. R takes a log-spaced basis, 0.01 to 100 in the
    units of the points, and the scalars of the pair. Over all pairs, or the nearest `neighbours`.
    Takes irreps of parity (-1)^l up to `degree`, and 0e of pairs; fields are (batch, n, dim).
    Raises `ValueError` for others. `PAPER` is the baseline of Satorras et al.'s N-body study: 64
    features, half of them scalars and half vectors.
    """
    return TFN(signature, channels, layers, degree, neighbours)


class Layer(nn.Module):
    def __init__(self, channels: int, coupling: Coupling, known: int) -> None:
        super().__init__()
        self.coupling, degrees = coupling, range(coupling.degree + 1)
        self.radial = mlp(known, RADII, len(degrees) * channels)
        self.mix = nn.ModuleList(
            nn.Linear(channels * coupling.width(c), channels, bias=c == 0) for c in degrees
        )
        self.gate = mlp(2 * channels, channels, len(degrees) * channels)

    def forward(self, h: list[Tensor], edges: Edges) -> list[Tensor]:
        mixed = [mix(m) for mix, m in zip(self.mix, self.messages(h, edges), strict=True)]
        invariants = torch.cat([h[0], mixed[0]], -1).squeeze(-2)  # (batch, n, 2 channels)
        first, *gates = self.gate(invariants).unsqueeze(-2).chunk(len(h), -1)
        gated = [gate * m for gate, m in zip(gates, mixed[1:], strict=True)]
        return [x + y for x, y in zip(h, [first, *gated], strict=True)]

    def messages(self, h: list[Tensor], edges: Edges) -> list[Tensor]:
        """Mean over j of the products, (batch, n, 2 l + 1, paths * channels) by degree."""
        weights = self.radial(edges.radial).unsqueeze(3).chunk(len(h), -1)
        felt = [w * x for w, x in zip(weights, edges.sent(h), strict=True)]
        return [torch.cat(parts, -1) for parts in self.coupling.products(felt, edges.angular)]


class TFN(nn.Module):
    def __init__(
        self,
        signature: Signature,
        channels: int,
        depth: int,
        degree: int,
        neighbours: int | None,
    ) -> None:
        super().__init__()
        self.signature, self.degree, self.neighbours = signature, degree, neighbours
        check_points(signature, "tfn")
        known = RADII + count_pair_scalars(signature.inputs, "tfn")
        self.coupling = Coupling(degree)
        self.read = Embed(signature.inputs, channels, degree, "tfn")
        self.layers = nn.ModuleList(Layer(channels, self.coupling, known) for _ in range(depth))
        self.write = Readout(signature, channels, degree, "tfn")

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        edges = self.edges(inputs, centre)
        h = self.read(inputs, centre)
        for layer in self.layers:
            h = layer(h, edges)
        return self.write(inputs, h)

    def edges(self, inputs: Fields, centre: Tensor) -> Edges:
        types = self.signature.inputs
        x = coordinates(inputs, types, centre)
        pairs = heard(inputs, types, x, self.neighbours)
        return self.coupling.edges(pairs, pairs.share)

    def stages(self) -> Stages:
        """The forward pass as a chain: features join the inputs as typed fields, by degree."""
        known = self.signature.inputs
        hidden = {f"hidden {d}": Rep(f"{d}{'eo'[d % 2]}") for d in range(self.degree + 1)}

        def named(fields: Fields, h: list[Tensor]) -> Fields:
            return fields | {name: x.mT for name, x in zip(hidden, h, strict=True)}

        def unnamed(fields: Fields) -> list[Tensor]:
            return [fields[name].mT for name in hidden]

        def read(fields: Fields) -> Fields:
            return named(fields, self.read(fields, centroid(fields, known)))

        def step(layer: Layer, fields: Fields) -> Fields:
            edges = self.edges(fields, centroid(fields, known))
            return named(fields, layer(unnamed(fields), edges))

        def write(fields: Fields) -> Fields:
            return self.write(fields, unnamed(fields))

        steps = {f"layers.{i}": partial(step, layer) for i, layer in enumerate(self.layers)}
        types = {**known, **hidden}
        chain = {name: (stage, types) for name, stage in ({"read": read} | steps).items()}
        return chain | {"write": (write, self.signature.outputs)}
