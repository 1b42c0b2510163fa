"""Steerable E(3) graph network: every linear map is a tensor product with a geometric attribute."""

from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models._fields import (
    centroid,
    check_points,
    coordinates,
    copies,
    join_degrees,
    origins,
    pair_scalars,
    split_degrees,
)
from models._layers import linear
from models._pairs import Pairs, heard
from models.tfn import _paths, _table
from remul.fields import Fields, Signature
from e3nn import o3

EQUIVARIANT = True
PAPER = {"channels": 32, "layers": 4, "degree": 1}

Path = tuple[int, int, int]
Tables = dict[Path, Tensor | None]


def build(
    signature: Signature,
    channels: int = 16,
    layers: int = 3,
    degree: int = 1,
    neighbours: int | None = None,
) -> "SEGNN":
    """Steerable E(3)-equivariant graph network (Brandstetter et al. 2022, equations 6 to 9).

    A steerable linear map sends x to the sum over paths of W CG(x, a). Of a pair, the attribute a
    is the spherical harmonics of x_i - x_j; of an object, their mean over its neighbours plus that
    of the harmonics of its vectors, points counting as vectors from the centroid. Its scalar is 1.
    Messages are two such maps with gates of (h_i, h_j, log(1 + d^2), scalars of the pair), their
    mean and h_i give the update by two more. `channels` is the number of features of each l up to
    `degree`; the paper's 64 hidden features balance to 32 of l = 0 and 1. Over all pairs, or the
    nearest `neighbours`. Takes irreps of parity (-1)^l up to `degree` and 0e of pairs; fields are
    (batch, n, dim). Raises `ValueError` for others.
    """
    return SEGNN(signature, channels, layers, degree, neighbours)


def harmonics(x: Tensor, degree: int) -> list[Tensor]:
    """Spherical harmonics of the directions x, (..., 3), by degree; zero at zero but for l = 0."""
    unit = x / (x.square().sum(-1, keepdim=True) + 1e-12).sqrt()
    return [
        o3.spherical_harmonics(d, unit, False, normalization="component") for d in range(degree + 1)
    ]


def tables(attribute: list[Tensor], degree: int) -> Tables:
    """The matrix (..., 2 c + 1, 2 a + 1) of each path; None where it is the identity."""
    return {
        (a, b, c): torch.einsum("...v,uvw->...wu", attribute[b], _table(a, b, c).to(attribute[b]))
        if b
        else None
        for a, b, c in _paths(degree)
    }


def couple(table: Tensor | None, x: Tensor) -> Tensor:
    """The matrices of one path times x, (..., 2 l + 1, channels), in the cheapest of three ways."""
    if table is None:
        return x
    if table.shape[-1] == 1:
        return table * x
    if table.shape[-2] == 1:
        return (table.mT * x).sum(-2, keepdim=True)
    return table @ x


class Steerable(nn.Module):
    """The steerable linear map of an attribute, from `width` channels of each degree to `widths`.

    Where a path lowers the degree or keeps it, weights come after the coupling, else before: so
    they act on the fewer components.
    """

    def __init__(self, width: int, widths: list[int]) -> None:
        super().__init__()
        paths = _paths(len(widths) - 1)
        self.lower = [[p for p in paths if p[2] == c <= p[0]] for c in range(len(widths))]
        self.lift = [[p for p in paths if p[2] == c > p[0]] for c in range(len(widths))]
        self.after = nn.ModuleList(
            nn.Linear(width * len(found), out, bias=c == 0)
            for c, (found, out) in enumerate(zip(self.lower, widths, strict=True))
        )
        self.before = nn.ModuleList(
            nn.ModuleList(nn.Linear(width, out, bias=False) for _ in found)
            for found, out in zip(self.lift, widths, strict=True)
        )

    def forward(self, x: list[Tensor], tables: Tables) -> list[Tensor]:
        found = []
        for lower, after, lift, before in zip(
            self.lower, self.after, self.lift, self.before, strict=True
        ):
            y = after(torch.cat([couple(tables[path], x[path[0]]) for path in lower], -1))
            for path, weight in zip(lift, before, strict=True):
                y = y + couple(tables[path], weight(x[path[0]]))
            found.append(y)
        return found


def gated(x: list[Tensor]) -> list[Tensor]:
    """SiLU of the scalars; what else there is times the sigmoid of the scalars behind them."""
    first, *gates = x[0].chunk(len(x), -1)
    return [silu(first), *(gate.sigmoid() * y for gate, y in zip(gates, x[1:], strict=True))]


class Edges:
    """What all layers need of the pairs: the matrices of each path, those of one degree in a row.

    `known` are scalars of the pair, (batch, n, k, s), the first of them 1.
    """

    def __init__(self, pairs: Pairs, degree: int) -> None:
        attribute = harmonics(pairs.apart, degree)
        self.pairs, self.tables = pairs, tables(attribute, degree)
        squared = pairs.apart.square().sum(-1, keepdim=True)
        scalars = [squared.log1p()] + ([] if pairs.features is None else [pairs.features])
        known = torch.cat(scalars, -1).unsqueeze(-2)  # (batch, n, k, 1, s)
        self.sent, self.received = [], []
        for c in range(degree + 1):
            eye = torch.eye(2 * c + 1).to(known).expand(*known.shape[:3], -1, -1)
            parts = [
                eye if table is None else table
                for (_, _, to), table in self.tables.items()
                if to == c
            ]
            row = torch.cat(parts, -1)  # (batch, n, k, 2 c + 1, components)
            both = torch.cat([row, attribute[c].unsqueeze(-1) * known], -1)
            self.received.append(both.flatten(2, 3))
            self.sent.append(row.transpose(1, 2).flatten(2, 3) if pairs.index is None else row)
        self.attribute = [(pairs.share * part).sum(2) for part in attribute]  # of each object

    def mean(self, x: Tensor) -> Tensor:
        """Mean over the neighbours, (batch, n, k, 2 l + 1, channels) to (batch, n, ...)."""
        share = self.pairs.share.mT.expand(len(x), -1, -1, -1)
        return (share @ x.flatten(3)).squeeze(2).unflatten(-1, x.shape[3:])


class FirstOfPairs(nn.Module):
    """The steerable linear map of (h_i, h_j, scalars of the pair), its weights applied to objects.

    So a pair costs one product of its matrix with the weighed features of i and one with those
    of j, and no weights.
    """

    def __init__(self, width: int, widths: list[int], scalars: int) -> None:
        super().__init__()
        self.paths, self.widths = _paths(len(widths) - 1), widths
        self.weigh = nn.ModuleList(
            nn.Linear(width, 2 * sum(widths[c] for a, _, c in self.paths if a == d), bias=d == 0)
            for d in range(len(widths))
        )
        self.known = nn.ParameterList(
            nn.Parameter(torch.randn(scalars, out) / scalars**0.5) for out in widths
        )

    def forward(self, h: list[Tensor], edges: Edges) -> list[Tensor]:
        received, sent = self.weighed(h)
        found = []
        for c, known in enumerate(self.known):
            mine = torch.cat([*received[c], known.expand(*h[c].shape[:2], -1, -1)], 2)
            y = (edges.received[c] @ mine).unflatten(2, (-1, 2 * c + 1))
            found.append(y + self.heard(torch.cat(sent[c], 2), edges, c))
        return found

    def heard(self, sent: Tensor, edges: Edges, c: int) -> Tensor:
        if edges.pairs.index is None:
            return (edges.sent[c] @ sent).unflatten(2, (-1, 2 * c + 1)).transpose(1, 2)
        return edges.sent[c] @ edges.pairs.sent(sent.flatten(2)).unflatten(-1, sent.shape[2:])

    def weighed(self, h: list[Tensor]) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """By resulting degree, what each path makes of i and of j, (batch, n, 2 a + 1, width)."""
        received, sent = ([[] for _ in h] for _ in range(2))
        for a, group in groupby(self.paths, key=lambda path: path[0]):
            into = [c for _, _, c in group]
            parts = self.weigh[a](h[a]).split([self.widths[c] for c in into] * 2, -1)
            for side, c, part in zip([received] * len(into) + [sent] * len(into), into * 2, parts, strict=True):
                side[c].append(part)
        return received, sent


class Layer(nn.Module):
    def __init__(self, channels: int, degree: int, scalars: int) -> None:
        super().__init__()
        plain = [channels] * (degree + 1)
        gates = [channels * (degree + 1), *plain[1:]]
        self.first, self.second = FirstOfPairs(channels, gates, scalars), Steerable(channels, gates)
        self.update, self.change = Steerable(2 * channels, gates), Steerable(channels, plain)

    def forward(self, h: list[Tensor], edges: Edges, own: Tables) -> list[Tensor]:
        messages = gated(self.second(gated(self.first(h, edges)), edges.tables))
        both = [torch.cat([x, edges.mean(m)], -1) for x, m in zip(h, messages, strict=True)]
        change = self.change(gated(self.update(both, own)), own)
        return [x + y for x, y in zip(h, change, strict=True)]


class SEGNN(nn.Module):
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
        check_points(signature, "segnn")
        inputs = copies(signature.inputs, degree, "segnn")
        outputs = copies(signature.outputs, degree, "segnn")
        scalars = 1 + pair_scalars(signature.inputs, "segnn")
        lengths = sum(inputs.values()) - inputs[0]
        self.embed = nn.ModuleList(
            linear(inputs[d] + lengths * (d == 0), channels, bias=d == 0) for d in inputs
        )
        self.layers = nn.ModuleList(Layer(channels, degree, scalars) for _ in range(depth))
        self.last = Steerable(channels, [channels * (degree + 1)] + [channels] * degree)
        self.readout = nn.ModuleList(linear(channels, outputs[d], bias=d == 0) for d in outputs)

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        parts = split_degrees(inputs, types, centre, self.degree)
        x = coordinates(inputs, types, centre)
        edges = Edges(heard(inputs, types, x, self.neighbours), self.degree)
        own = tables(self.attribute(edges, parts), self.degree)
        lengths = [part.norm(dim=-1, keepdim=True) for d, part in parts.items() if d > 0]
        parts = parts | {0: torch.cat([parts[0], *lengths], 2)}
        h = [embed(parts[d].mT) for d, embed in enumerate(self.embed)]
        for layer in self.layers:
            h = layer(h, edges, own)
        h = gated(self.last(h, own))
        values = {d: readout(h[d]).mT for d, readout in enumerate(self.readout)}
        return join_degrees(inputs, values, self.signature.outputs, origins(inputs, self.signature))

    def attribute(self, edges: Edges, parts: dict[int, Tensor]) -> list[Tensor]:
        """The attribute of each object, (batch, n, 2 l + 1) by degree."""
        vectors = parts.get(1, parts[0][:, :, :0])
        if not vectors.shape[2]:
            return edges.attribute
        seen = harmonics(vectors, self.degree)
        return [x + y.mean(2) for x, y in zip(edges.attribute, seen, strict=True)]
