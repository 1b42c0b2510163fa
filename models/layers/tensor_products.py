"""Clebsch-Gordan products of what senders hold with the spherical harmonics of the edges.

Features are a list by l, each (batch, n, 2 l + 1, channels), of parity (-1)^l. The tables are
e3nn's in float64 and are cast when used: a float64 copy of a network is exact to float64.
"""

from functools import cache
from typing import NamedTuple

import torch
from e3nn import o3
from torch import Tensor, nn

from models.layers.fields import join_by_l, multiplicities, origins, split_by_l
from models.layers.mlp import linear
from models.layers.neighbours import Edges
from remul.fields import Fields, Signature, Types

RADIAL_BASIS = 16


class EdgeEmbedding(NamedTuple):
    """What all layers need of the edges.

    `radial` holds functions of the length and the scalars of the pair, (batch, n, k, width);
    `angular` a matrix for each l of the senders' features, (batch, n, k (2 l + 1), rows).
    """

    edges: Edges
    radial: Tensor
    angular: list[Tensor]

    def gather_senders(self, h: list[Tensor]) -> list[Tensor]:
        """Return what each sender holds, (batch, n or 1, k, 2 l + 1, channels) by l."""
        return [self.edges.gather_senders(x.flatten(2)).unflatten(-1, x.shape[2:]) for x in h]


class Coupling(nn.Module):
    """All products of features l_in with harmonics l_sh to l_out of parity (-1)^l_out, up to lmax.

    An edge's matrix for l_in takes features to rows, ordered by l_out, component and l_sh: one
    product of matrices then sums over the senders too.
    """

    def __init__(self, lmax: int) -> None:
        super().__init__()
        ls = range(lmax + 1)
        self.lmax = lmax
        self.paths = [[len(_l_sh(lmax, l_in, l_out)) for l_out in ls] for l_in in ls]
        for l_in in ls:
            self.register_buffer(f"table{l_in}", _table(lmax, l_in), persistent=False)

    def embed(self, edges: Edges, weights: Tensor | None = None) -> EdgeEmbedding:
        """Return the radial and angular parts of the edges, the latter times `weights`, if any."""
        length = edges.lengths()
        harmonics = o3.spherical_harmonics(
            list(range(self.lmax + 1)), edges.vectors / -length, False, normalization="component"
        )  # (batch, n, k, (lmax + 1)^2), from i to j
        harmonics = harmonics if weights is None else weights * harmonics
        radial = edges.append_features(radial_basis(length))
        return EdgeEmbedding(edges, radial, self.angular_matrices(harmonics))

    def angular_matrices(self, harmonics: Tensor) -> list[Tensor]:
        """Return the matrix of each l_in, (batch, n, k (2 l_in + 1), rows)."""
        tables = [self.get_buffer(f"table{l}").to(harmonics) for l in range(self.lmax + 1)]
        flat = [harmonics @ table for table in tables]  # (batch, n, k, (2 l_in + 1) rows)
        return [x.unflatten(-1, (2 * l + 1, -1)).flatten(2, 3) for l, x in enumerate(flat)]

    def aggregate(self, messages: list[Tensor], angular: list[Tensor]) -> list[list[Tensor]]:
        """Return the products of messages by l_in, (batch, n, k, 2 l_in + 1, c), summed over j.

        By l_out a list over l_in, each (batch, n, 2 l_out + 1, paths c).
        """
        rows = [a.mT @ x.flatten(2, 3) for a, x in zip(angular, messages, strict=True)]
        sums = [[] for _ in messages]
        for x, paths in zip(rows, self.paths, strict=True):
            parts = x.split([(2 * l_out + 1) * p for l_out, p in enumerate(paths)], 2)
            for l_out, part in enumerate(parts):
                sums[l_out].append(part.unflatten(2, (2 * l_out + 1, -1)).flatten(3))
        return sums

    def order_as_rows(self, features: list[Tensor]) -> list[Tensor]:
        """Return features in the shape of `aggregate` as (batch, n, rows, channels) by l_in."""
        rows = [[] for _ in features]
        for l_out, x in enumerate(features):
            paths = [p[l_out] for p in self.paths]
            parts = x.unflatten(-1, (sum(paths), -1)).split(paths, 3)
            for l_in, part in enumerate(parts):
                rows[l_in].append(part.flatten(2, 3))
        return [torch.cat(parts, 2) for parts in rows]

    def count_paths(self, l_out: int) -> int:
        """Return how many paths lead to features of an l."""
        return sum(paths[l_out] for paths in self.paths)


class Embed(nn.Module):
    """Fields to features by l; the lengths of all that turns count among the scalars."""

    def __init__(self, types: Types, channels: int, lmax: int, model: str) -> None:
        super().__init__()
        self.types, self.lmax = types, lmax
        muls = multiplicities(types, lmax, model)
        muls[0] = sum(muls.values())
        self.maps = nn.ModuleList(linear(muls[l], channels, bias=l == 0) for l in muls)

    def forward(self, inputs: Fields, centre: Tensor) -> list[Tensor]:
        parts = split_by_l(inputs, self.types, centre, self.lmax)
        lengths = [part.norm(dim=-1, keepdim=True) for l, part in parts.items() if l > 0]
        parts = parts | {0: torch.cat([parts[0], *lengths], 2)}
        return [embed(parts[l].mT) for l, embed in enumerate(self.maps)]


class Readout(nn.Module):
    """Features by l to the output fields."""

    def __init__(self, signature: Signature, channels: int, lmax: int, model: str) -> None:
        super().__init__()
        self.signature, muls = signature, multiplicities(signature.outputs, lmax, model)
        self.maps = nn.ModuleList(linear(channels, muls[l], bias=l == 0) for l in muls)

    def forward(self, inputs: Fields, h: list[Tensor]) -> Fields:
        values = {l: readout(h[l]).mT for l, readout in enumerate(self.maps)}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))


def _l_sh(lmax: int, l_in: int, l_out: int) -> list[int]:
    """Return the l of the harmonics that take l_in to l_out, keeping the parity (-1)^l."""
    ls = range(abs(l_in - l_out), min(l_in + l_out, lmax) + 1)
    return [l_sh for l_sh in ls if (l_in + l_sh + l_out) % 2 == 0]


@cache
@torch.inference_mode(False)
def _table(lmax: int, l_in: int) -> Tensor:
    """Return the map of harmonics to the matrix of l_in, ((lmax + 1)^2, (2 l_in + 1) rows)."""
    tables = []
    for l_out in range(lmax + 1):
        paths = _l_sh(lmax, l_in, l_out)
        table = torch.zeros((lmax + 1) ** 2, 2 * l_in + 1, 2 * l_out + 1, len(paths)).double()
        for path, l_sh in enumerate(paths):
            cg = (2 * l_out + 1) ** 0.5 * o3.wigner_3j(l_sh, l_in, l_out, dtype=torch.float64)
            table[l_sh * l_sh : (l_sh + 1) ** 2, ..., path] = cg
        tables.append(table.flatten(2))
    return torch.cat(tables, -1).flatten(1)


def radial_basis(length: Tensor) -> Tensor:
    """Return Gaussians in the logarithm of the length, 0.01 to 100: (batch, n, k, RADIAL_BASIS)."""
    centres = torch.linspace(-2, 2, RADIAL_BASIS, dtype=length.dtype, device=length.device)
    widths_away = (length.log10() - centres) * (RADIAL_BASIS / 4)
    return torch.exp(-(widths_away.clamp(-4, 4) ** 2))  # clamped: subnormal numbers are slow
