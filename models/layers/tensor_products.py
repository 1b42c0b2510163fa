"""Clebsch-Gordan products of what neighbours hold with the spherical harmonics of the pairs.

Features are a list by degree l, each (batch, n, 2 l + 1, channels), of parity (-1)^l. The tables
are e3nn's in float64 and are cast when used: a float64 copy of a network is exact to float64.
"""

from functools import cache
from typing import NamedTuple

import torch
from e3nn import o3
from torch import Tensor, nn

from models.layers.fields import join_by_l, multiplicities, origins, split_by_l
from models.layers.mlp import linear
from models.layers.neighbours import Pairs
from remul.fields import Fields, Signature, Types

RADII = 16


class Edges(NamedTuple):
    """What all layers need of the pairs.

    `radial` holds functions of the distance and the scalars of the pairs, (batch, n, k, width);
    `angular` a matrix for each degree a of features, (batch, n, k (2 a + 1), rows).
    """

    pairs: Pairs
    radial: Tensor
    angular: list[Tensor]

    def sent(self, h: list[Tensor]) -> list[Tensor]:
        """What each neighbour holds, (batch, n or 1, k, 2 l + 1, channels) by degree."""
        return [self.pairs.sent(x.flatten(2)).unflatten(-1, x.shape[2:]) for x in h]


class Coupling(nn.Module):
    """All products of degree a with harmonics b to degree c of parity (-1)^c, up to `degree`.

    A pair's matrix for degree a takes features to rows, ordered by c, component and b: one product
    of matrices then sums over the neighbours too.
    """

    def __init__(self, degree: int) -> None:
        super().__init__()
        degrees = range(degree + 1)
        self.degree = degree
        self.paths = [[len(_harmonics(degree, a, c)) for c in degrees] for a in degrees]
        for a in degrees:
            self.register_buffer(f"table{a}", _table(degree, a), persistent=False)

    def edges(self, pairs: Pairs, share: Tensor | None = None) -> Edges:
        """The radial and angular parts of the pairs, the latter times `share` where given."""
        distance = (pairs.apart.square().sum(-1, keepdim=True) + 1e-12).sqrt()
        degrees = list(range(self.degree + 1))
        harmonics = o3.spherical_harmonics(
            degrees, pairs.apart / -distance, False, normalization="component"
        )  # (batch, n, k, (degree + 1)^2), from i to j
        harmonics = harmonics if share is None else share * harmonics
        parts = [radial(distance)] + ([] if pairs.features is None else [pairs.features])
        return Edges(pairs, torch.cat(parts, -1), self.angular(harmonics))

    def angular(self, harmonics: Tensor) -> list[Tensor]:
        """The matrix of each degree a, (batch, n, k (2 a + 1), rows)."""
        tables = [self.get_buffer(f"table{a}").to(harmonics) for a in range(self.degree + 1)]
        flat = [harmonics @ table for table in tables]
        return [x.unflatten(-1, (2 * a + 1, -1)).flatten(2, 3) for a, x in enumerate(flat)]

    def products(self, heard: list[Tensor], angular: list[Tensor]) -> list[list[Tensor]]:
        """Features by pair to sums over neighbours, by c: parts (batch, n, 2 c + 1, channels)."""
        rows = [a.mT @ x.flatten(2, 3) for a, x in zip(angular, heard, strict=True)]
        found = [[] for _ in heard]
        for x, paths in zip(rows, self.paths, strict=True):
            parts = x.split([(2 * c + 1) * p for c, p in enumerate(paths)], 2)
            for c, part in enumerate(parts):
                found[c].append(part.unflatten(2, (2 * c + 1, -1)).flatten(3))
        return found

    def rows(self, features: list[Tensor]) -> list[Tensor]:
        """The inverse of the order of `products`: (batch, n, rows, channels) by degree a."""
        found = [[] for _ in features]
        for c, x in enumerate(features):
            paths = [p[c] for p in self.paths]
            parts = x.unflatten(-1, (sum(paths), -1)).split(paths, 3)
            for a, part in enumerate(parts):
                found[a].append(part.flatten(2, 3))
        return [torch.cat(parts, 2) for parts in found]

    def width(self, degree: int) -> int:
        """How many paths lead to features of a degree."""
        return sum(paths[degree] for paths in self.paths)


class Embed(nn.Module):
    """Fields to features by degree; the lengths of all that turns count among the scalars."""

    def __init__(self, types: Types, channels: int, degree: int, model: str) -> None:
        super().__init__()
        self.types, self.degree = types, degree
        count = multiplicities(types, degree, model)
        count[0] = sum(count.values())
        self.maps = nn.ModuleList(linear(count[d], channels, bias=d == 0) for d in count)

    def forward(self, inputs: Fields, centre: Tensor) -> list[Tensor]:
        parts = split_by_l(inputs, self.types, centre, self.degree)
        lengths = [part.norm(dim=-1, keepdim=True) for d, part in parts.items() if d > 0]
        parts = parts | {0: torch.cat([parts[0], *lengths], 2)}
        return [embed(parts[d].mT) for d, embed in enumerate(self.maps)]


class Readout(nn.Module):
    """Features by degree to the output fields."""

    def __init__(self, signature: Signature, channels: int, degree: int, model: str) -> None:
        super().__init__()
        self.signature, count = signature, multiplicities(signature.outputs, degree, model)
        self.maps = nn.ModuleList(linear(channels, count[d], bias=d == 0) for d in count)

    def forward(self, inputs: Fields, h: list[Tensor]) -> Fields:
        values = {d: readout(h[d]).mT for d, readout in enumerate(self.maps)}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))


def _harmonics(degree: int, a: int, c: int) -> list[int]:
    return [b for b in range(abs(a - c), min(a + c, degree) + 1) if (a + b + c) % 2 == 0]


@cache
@torch.inference_mode(False)
def _table(degree: int, a: int) -> Tensor:
    """Harmonics to the matrix of degree a, ((degree + 1)^2, (2 a + 1) rows)."""
    tables = []
    for c in range(degree + 1):
        harmonics = _harmonics(degree, a, c)
        table = torch.zeros((degree + 1) ** 2, 2 * a + 1, 2 * c + 1, len(harmonics)).double()
        for path, b in enumerate(harmonics):
            w = (2 * c + 1) ** 0.5 * o3.wigner_3j(b, a, c, dtype=torch.float64)
            table[b * b : (b + 1) ** 2, ..., path] = w
        tables.append(table.flatten(2))
    return torch.cat(tables, -1).flatten(1)


def radial(distance: Tensor) -> Tensor:
    """Gaussians in the logarithm of the distance, 0.01 to 100: (batch, n, k, RADII)."""
    centres = torch.linspace(-2, 2, RADII, dtype=distance.dtype, device=distance.device)
    apart = (distance.log10() - centres) * (RADII / 4)
    return torch.exp(-(apart.clamp(-4, 4) ** 2))  # clamped: subnormal numbers are slow
