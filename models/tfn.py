"""Tensor field network: messages are Clebsch-Gordan products of features and spherical harmonics.

Exact for E(3), over all pairs. Features are one stack of channels for each degree l, of parity
(-1)^l. The tables are e3nn's in float64 and are cast when used, so a float64 copy of the network
is exact to float64.
"""

from functools import cache, partial
from itertools import product

import torch
from e3nn import o3
from torch import Tensor, nn

from models._fields import (
    centroid,
    check_points,
    coordinates,
    copies,
    join_degrees,
    origins,
    split_degrees,
)
from models._layers import linear, mlp
from models._pairs import pair_share
from remul.fields import Fields, Rep, Signature
from remul.lie import Stages

EQUIVARIANT = True
RADII = 16


def build(signature: Signature, channels: int = 32, layers: int = 3, degree: int = 2) -> "TFN":
    """Tensor field network (Thomas et al. 2018) with gates, residuals and mean messages.

    `degree` is the highest l of features and of spherical harmonics. Distances enter by a
    log-spaced radial basis, 0.01 to 100 in the units of the points. Takes irreps of parity
    (-1)^l up to `degree`; fields are (batch, n, dim). Raises `ValueError` for others.
    """
    return TFN(signature, channels, layers, degree)


@cache
def _paths(degree: int) -> tuple[tuple[int, int, int], ...]:
    """The (feature, harmonic, result) degrees that couple with parity (-1)^l throughout."""
    return tuple(
        (a, b, c)
        for a, b, c in product(range(degree + 1), repeat=3)
        if abs(a - b) <= c <= a + b and (a + b + c) % 2 == 0
    )


@cache
@torch.inference_mode(False)
def _table(a: int, b: int, c: int) -> Tensor:
    return (2 * c + 1) ** 0.5 * o3.wigner_3j(a, b, c, dtype=torch.float64)


class Edges:
    """What all layers need of the pairs: radial basis, mean weights, angular part of each path."""

    def __init__(self, x: Tensor, share: Tensor, degree: int) -> None:
        apart = x[:, None] - x[:, :, None]  # (batch, n, n, 3), from i to j
        distance = (apart.square().sum(-1, keepdim=True) + 1e-12).sqrt()
        self.share, self.radial = share, _radial(distance)
        harmonics = [
            o3.spherical_harmonics(d, apart / distance, False, normalization="component")
            for d in range(degree + 1)
        ]
        self.angular = [
            torch.einsum("zijv,uvw->ziwju", harmonics[b], _table(a, b, c).to(x)).flatten(3)
            for a, b, c in _paths(degree)
        ]  # each (batch, n, 2 c + 1, n (2 a + 1))


def _radial(distance: Tensor) -> Tensor:
    """Gaussians in the logarithm of the distance, (batch, n, n, RADII)."""
    centres = torch.linspace(-2, 2, RADII, dtype=distance.dtype, device=distance.device)
    return torch.exp(-(((distance.log10() - centres) * (RADII / 4)) ** 2))


class Layer(nn.Module):
    def __init__(self, channels: int, degree: int) -> None:
        super().__init__()
        self.paths = _paths(degree)
        self.radial = mlp(RADII, RADII, len(self.paths) * channels)
        self.mix = nn.ModuleList(
            nn.Linear(channels * sum(c == d for _, _, c in self.paths), channels, bias=d == 0)
            for d in range(degree + 1)
        )
        self.gate = mlp(2 * channels, channels, (degree + 1) * channels)

    def forward(self, h: list[Tensor], edges: Edges) -> list[Tensor]:
        messages = self.messages(h, edges)
        mixed = [mix(m) for mix, m in zip(self.mix, messages, strict=True)]
        invariants = torch.cat([h[0], mixed[0]], -1).squeeze(-2)  # (batch, n, 2 channels)
        first, *gates = self.gate(invariants).unsqueeze(-2).chunk(len(h), -1)
        gated = [gate * m for gate, m in zip(gates, mixed[1:], strict=True)]
        return [x + y for x, y in zip(h, [first, *gated], strict=True)]

    def messages(self, h: list[Tensor], edges: Edges) -> list[Tensor]:
        """Mean over j of the products, (batch, n, 2 l + 1, paths * channels) by degree."""
        weights = (edges.share * self.radial(edges.radial)).chunk(len(self.paths), -1)
        found = [[] for _ in h]
        for (a, _, c), weight, angular in zip(self.paths, weights, edges.angular, strict=True):
            heard = weight.unsqueeze(3) * h[a][:, None]  # (batch, n, n, 2 a + 1, channels)
            found[c].append(angular @ heard.flatten(2, 3))
        return [torch.cat(parts, -1) for parts in found]


class TFN(nn.Module):
    def __init__(self, signature: Signature, channels: int, depth: int, degree: int) -> None:
        super().__init__()
        self.signature, self.degree = signature, degree
        check_points(signature, "tfn")
        inputs = copies(signature.inputs, degree, "tfn")
        outputs = copies(signature.outputs, degree, "tfn")
        lengths = sum(inputs.values()) - inputs[0]
        self.embed = nn.ModuleList(
            linear(inputs[d] + lengths * (d == 0), channels, bias=d == 0) for d in inputs
        )
        self.layers = nn.ModuleList(Layer(channels, degree) for _ in range(depth))
        self.readout = nn.ModuleList(linear(channels, outputs[d], bias=d == 0) for d in outputs)

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        edges = self.edges(inputs, centre)
        h = self.read(inputs, centre)
        for layer in self.layers:
            h = layer(h, edges)
        return self.write(inputs, h)

    def edges(self, inputs: Fields, centre: Tensor) -> Edges:
        x = coordinates(inputs, self.signature.inputs, centre)
        return Edges(x, pair_share(inputs, x), self.degree)

    def read(self, inputs: Fields, centre: Tensor) -> list[Tensor]:
        """Features (batch, n, 2 l + 1, channels) by degree; lengths count among the scalars."""
        parts = split_degrees(inputs, self.signature.inputs, centre, self.degree)
        lengths = [part.norm(dim=-1, keepdim=True) for d, part in parts.items() if d > 0]
        parts = parts | {0: torch.cat([parts[0], *lengths], 2)}
        return [embed(parts[d].mT) for d, embed in enumerate(self.embed)]

    def write(self, inputs: Fields, h: list[Tensor]) -> Fields:
        values = {d: readout(h[d]).mT for d, readout in enumerate(self.readout)}
        return join_degrees(inputs, values, self.signature.outputs, origins(inputs, self.signature))

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
