"""Clebsch-Gordan products of what senders hold with the spherical harmonics of the edges.

Features are a list by l, each (batch, n, 2 l + 1, channels), of parity (-1)^l; an l that nothing
makes, or nothing needs, has no channels. The tables are e3nn's in float64 and are cast when used: a
float64 copy of a network is exact to float64.
"""

from functools import cache
from typing import NamedTuple

import torch
from e3nn import o3
from torch import Tensor, nn

from models.layers.edges import Edges
from models.layers.fields import join_by_l, multiplicities, origins, split_by_l
from models.layers.mlp import linear
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
        gather = self.edges.gather_senders
        return [gather(x.flatten(2)).unflatten(-1, x.shape[2:]) if x.shape[-1] else x for x in h]


class Coupling(nn.Module):
    """All products of features l_in with harmonics l_sh to l_out of parity (-1)^l_out, up to lmax.

    An edge's matrix for l_in takes features to rows, ordered by l_out, component and l_sh: one
    product of matrices then sums over the senders too. Edges between objects that are not `apart`
    have no direction and no length: of their harmonics there is l_sh = 0 alone.
    """

    def __init__(self, lmax: int, apart: bool = True) -> None:
        super().__init__()
        ls = range(lmax + 1)
        self.lmax, self.apart, self.lmax_sh = lmax, apart, lmax if apart else 0
        self.paths = [[len(_l_sh(self.lmax_sh, l_in, l_out)) for l_out in ls] for l_in in ls]
        for l_in in ls:
            table = _table(lmax, self.lmax_sh, l_in)
            self.register_buffer(f"table{l_in}", table, persistent=False)

    def embed(self, edges: Edges, weights: Tensor | None = None) -> EdgeEmbedding:
        """Return the radial and angular parts of the edges, the latter times `weights`, if any."""
        length = edges.lengths()
        harmonics = o3.spherical_harmonics(
            list(range(self.lmax_sh + 1)), edges.vectors / -length, False, normalization="component"
        )  # (batch, n, k, (lmax_sh + 1)^2), from i to j
        harmonics = harmonics if weights is None else weights * harmonics
        radial = edges.append_features(radial_basis(length) if self.apart else length[..., :0])
        return EdgeEmbedding(edges, radial, self.angular_matrices(harmonics))

    def angular_matrices(self, harmonics: Tensor) -> list[Tensor]:
        """Return the matrix of each l_in, (batch, n, k (2 l_in + 1), rows)."""
        tables = [self.get_buffer(f"table{l}").to(harmonics) for l in range(self.lmax + 1)]
        flat = [harmonics @ table for table in tables]  # (batch, n, k, (2 l_in + 1) rows)
        return [x.unflatten(-1, (2 * l + 1, -1)).flatten(2, 3) for l, x in enumerate(flat)]

    def aggregate(
        self, messages: list[Tensor], embedding: EdgeEmbedding, lmax_out: int | None = None
    ) -> list[list[Tensor]]:
        """Return the products of messages by l_in, (batch, n, k, 2 l_in + 1, c), summed over j.

        By l_out, up to `lmax_out`, a list over the l_in that have channels, each (batch, n,
        2 l_out + 1, paths c).
        """
        ls_out = range((self.lmax if lmax_out is None else lmax_out) + 1)
        sums = [[] for _ in ls_out]
        for x, matrix, paths in zip(messages, embedding.angular, self.paths, strict=True):
            if x.shape[-1] == 0:
                continue
            sizes = [(2 * l_out + 1) * paths[l_out] for l_out in ls_out]
            rows = matrix if sum(sizes) == matrix.shape[-1] else matrix[..., : sum(sizes)]
            products = embedding.edges.sum_rows(rows.mT @ x.flatten(2, 3))
            for l_out, part in enumerate(products.split(sizes, 2)):
                shape = 2 * l_out + 1, paths[l_out]
                sums[l_out].append(part.unflatten(2, shape).flatten(3))
        return sums

    def order_as_rows(self, features: list[Tensor], widths: list[int]) -> list[Tensor]:
        """Return features in the shape of `aggregate` as (batch, n, rows, channels) by l_in.

        `widths` are the channels of each l_in.
        """
        rows = [[] for _ in features]
        for l_out, x in enumerate(features):
            paths = [p[l_out] for p in self.paths]
            parts = x.split([p * width for p, width in zip(paths, widths, strict=True)], -1)
            for l_in, part in enumerate(parts):
                by_path = part.unflatten(-1, (paths[l_in], widths[l_in]))
                rows[l_in].append(by_path.flatten(2, 3))
        return [torch.cat(parts, 2) for parts in rows]

    def count_products(self, widths: list[int], l_out: int) -> int:
        """Return how many products of features with so many channels by l_in lead to an l."""
        return sum(p[l_out] * width for p, width in zip(self.paths, widths, strict=True))

    def reach(self, ls: set[int]) -> set[int]:
        """Return the l that paths lead to from any of those given; they lead back as well."""
        return {l for l in range(self.lmax + 1) if any(self.paths[l_in][l] for l_in in ls)}


class Embed(nn.Module):
    """Fields to features by l; the lengths of all that turns count among the scalars."""

    def __init__(self, types: Types, widths: list[int], model: str) -> None:
        super().__init__()
        self.types, self.lmax = types, len(widths) - 1
        muls = multiplicities(types, self.lmax, model)
        muls[0] = sum(muls.values())
        self.maps = nn.ModuleList(linear(muls[l], widths[l], bias=l == 0) for l in muls)

    def forward(self, inputs: Fields, centre: Tensor) -> list[Tensor]:
        parts = split_by_l(inputs, self.types, centre, self.lmax)
        lengths = [part.norm(dim=-1, keepdim=True) for l, part in parts.items() if l > 0]
        parts = parts | {0: torch.cat([parts[0], *lengths], 2)}
        return [embed(parts[l].mT) for l, embed in enumerate(self.maps)]


class Readout(nn.Module):
    """Features by l to the output fields."""

    def __init__(self, signature: Signature, widths: list[int], model: str) -> None:
        super().__init__()
        self.signature = signature
        muls = multiplicities(signature.outputs, len(widths) - 1, model)
        self.maps = nn.ModuleList(linear(widths[l], muls[l], bias=l == 0) for l in muls)

    def forward(self, inputs: Fields, h: list[Tensor]) -> Fields:
        values = {l: readout(h[l]).mT for l, readout in enumerate(self.maps)}
        return join_by_l(inputs, values, self.signature.outputs, origins(inputs, self.signature))


def find_living(
    signature: Signature, coupling: Coupling, depth: int, model: str
) -> tuple[list[set[int]], set[int]]:
    """Return the l of features that are not zero before each layer and after the last one.

    And those that the outputs have. Scalars are always there: lengths, if nothing else.
    """
    ins, outs = (
        {l for l, mul in multiplicities(types, coupling.lmax, model).items() if mul}
        for types in (signature.inputs, signature.outputs)
    )
    living = [ins | {0}]
    for _ in range(depth):
        living.append(living[-1] | coupling.reach(living[-1]))
    return living, outs & living[-1]


def count_channels(ls: set[int], channels: int, lmax: int) -> list[int]:
    """Return the channels by l up to `lmax`: none but for the l given."""
    return [channels if l in ls else 0 for l in range(lmax + 1)]


def update(x: Tensor, gate: Tensor | None, mixed: Tensor | None) -> Tensor:
    """Return features of one l of the next layer, x those of this one, if it has any.

    Scalars are the gates alone, and without gates there are no channels.
    """
    if gate is None:
        return x[..., :0]
    new = gate if x.shape[-2] == 1 else gate * mixed
    return x + new if x.shape[-1] else new


def _l_sh(lmax: int, l_in: int, l_out: int) -> list[int]:
    """Return the l of the harmonics that take l_in to l_out, keeping the parity (-1)^l."""
    ls = range(abs(l_in - l_out), min(l_in + l_out, lmax) + 1)
    return [l_sh for l_sh in ls if (l_in + l_sh + l_out) % 2 == 0]


@cache
@torch.inference_mode(False)
def _table(lmax: int, lmax_sh: int, l_in: int) -> Tensor:
    """Return the map of harmonics to the matrix of l_in, ((lmax_sh + 1)^2, (2 l_in + 1) rows)."""
    tables = []
    for l_out in range(lmax + 1):
        paths = _l_sh(lmax_sh, l_in, l_out)
        table = torch.zeros((lmax_sh + 1) ** 2, 2 * l_in + 1, 2 * l_out + 1, len(paths)).double()
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
