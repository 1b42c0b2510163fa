"""Steerable E(3) graph network: every linear map is a tensor product with a geometric attribute."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.layers.fields import centroid, check_points, coordinates, count_pair_scalars, split_by_l
from models.layers.neighbours import Pairs, heard
from models.layers.tensor_product_backends import harmonics
from models.layers.tensor_products import Coupling, Embed, Readout
from remul.fields import Fields, Signature

EQUIVARIANT = True
PAPER = {"channels": 32, "layers": 4, "degree": 1}

Path = tuple[int, int, int]  # which of the products of degree a that give degree c: (a, c, which)
Tables = dict[Path, Tensor]


def build(
    signature: Signature,
    channels: int = 16,
    layers: int = 3,
    degree: int = 1,
    neighbours: int | None = None,
) -> "SEGNN":
    """Steerable E(3)-equivariant graph network (Brandstetter et al. 2022).

    A steerable linear map sends x to the sum over paths of W CG(x, a). Of a pair, the attribute a
    is the spherical harmonics of x_i - x_j; of an object, half their mean over its neighbours and
    half that of its vectors' harmonics, points counting as vectors from the centroid. Its scalar
    is 1.
    Messages are two such maps with gates of (h_i, h_j, log(1 + d^2), scalars of the pair), their
    mean and h_i give the update by two more. `channels` is the number of features of each l up to
    `degree`; the paper's 64 hidden features balance to 32 of l = 0 and 1. Over all pairs, or the
    nearest `neighbours`. Takes irreps of parity (-1)^l up to `degree` and 0e of pairs; fields are
    (batch, n, dim). Raises `ValueError` for others.
    """
    return SEGNN(signature, channels, layers, degree, neighbours)


def tables(coupling: Coupling, attribute: Tensor) -> Tables:
    """The matrix (batch, n, k, 2 c + 1, 2 a + 1) of each path, for attributes (batch, n, k, -1)."""
    found = {}
    for a, (angular, paths) in enumerate(
        zip(coupling.angular(attribute), coupling.paths, strict=True)
    ):
        sizes = [(2 * c + 1) * p for c, p in enumerate(paths)]
        parts = angular.unflatten(2, (-1, 2 * a + 1)).mT.split(sizes, 3)
        for c, part in enumerate(parts):
            for which, table in enumerate(part.unflatten(3, (2 * c + 1, -1)).unbind(4)):
                found[a, c, which] = table
    return found


def paths_up_to(degree: int) -> list[Path]:
    """All paths, in the order of their tables."""
    paths = enumerate(Coupling(degree).paths)
    return [(a, c, i) for a, counts in paths for c, n in enumerate(counts) for i in range(n)]


def couple(path: Path, tables: Tables, x: Tensor) -> Tensor:
    """The matrices of one path times x, (..., 2 l + 1, channels), in the cheapest of four ways.

    The first path from a degree to itself is that of the attribute's scalar: the identity.
    """
    a, c, which = path
    if a == c and which == 0:
        return x
    if a == 0:
        return tables[path] * x
    if c == 0:
        return (tables[path].mT * x).sum(-2, keepdim=True)
    return tables[path] @ x


class Steerable(nn.Module):
    """The steerable linear map of an attribute, from `width` channels of each degree to `widths`.

    Where a path lowers the degree or keeps it, weights come after the coupling, else before: so
    they act on the fewer components.
    """

    def __init__(self, width: int, widths: list[int]) -> None:
        super().__init__()
        paths = paths_up_to(len(widths) - 1)
        self.fall = [[p for p in paths if p[1] == c <= p[0]] for c in range(len(widths))]
        self.rise = [[p for p in paths if p[1] == c > p[0]] for c in range(len(widths))]
        self.after = nn.ModuleList(
            nn.Linear(width * len(fall), out, bias=c == 0)
            for c, (fall, out) in enumerate(zip(self.fall, widths, strict=True))
        )
        self.before = nn.ModuleList(
            nn.ModuleList(nn.Linear(width, out, bias=False) for _ in rise)
            for rise, out in zip(self.rise, widths, strict=True)
        )

    def forward(self, x: list[Tensor], tables: Tables) -> list[Tensor]:
        found = []
        for c, after in enumerate(self.after):
            y = after(torch.cat([couple(p, tables, x[p[0]]) for p in self.fall[c]], -1))
            for p, weigh in zip(self.rise[c], self.before[c], strict=True):
                y += couple(p, tables, weigh(x[p[0]]))
            found.append(y)
        return found


def gate_widths(channels: int, degree: int) -> list[int]:
    """The scalars and the gates of all other degrees; then these."""
    return [channels * (degree + 1)] + [channels] * degree


def gated(x: list[Tensor]) -> list[Tensor]:
    """SiLU of the scalars; what else there is times the sigmoid of the scalars behind them."""
    first, *gates = x[0].chunk(len(x), -1)
    return [silu(first), *(gate.sigmoid() * y for gate, y in zip(gates, x[1:], strict=True))]


class Edges:
    """What all layers need of the pairs.

    `tables` has the matrix of each path; `sent` those of all paths to one degree side by side, by
    degree, ordered for a product per sender j; `received` the same per receiver i, and the
    harmonics times the scalars of the pair.
    """

    def __init__(self, pairs: Pairs, coupling: Coupling) -> None:
        degree = coupling.degree
        self.pairs, self.attribute = pairs, harmonics(pairs.apart, degree)
        self.tables = tables(coupling, self.attribute)
        squared = pairs.apart.square().sum(-1, keepdim=True)
        known = [squared.log1p()] + ([] if pairs.features is None else [pairs.features])
        known = torch.cat(known, -1).unsqueeze(-2)  # (batch, n, k, 1, scalars)
        self.sent, self.received = [], []
        for c in range(degree + 1):
            found = [table for path, table in self.tables.items() if path[1] == c]
            row = torch.cat(found, -1) / (2 * len(found)) ** 0.5
            own = self.attribute[..., c * c : (c + 1) ** 2].unsqueeze(-1)
            self.received.append(torch.cat([row, own * known], -1).flatten(2, 3))
            self.sent.append(row.transpose(1, 2).flatten(2, 3) if pairs.index is None else row)

    def mean(self, x: Tensor) -> Tensor:
        """Over the neighbours, (batch, n, k, 2 l + 1, channels) to (batch, n, 2 l + 1, -1)."""
        share = self.pairs.share.mT.expand(len(x), -1, -1, -1)
        return (share @ x.flatten(3)).squeeze(2).unflatten(-1, x.shape[3:])


class FirstOfPairs(nn.Module):
    """The steerable linear map of (h_i, h_j, scalars of the pair), its weights applied to objects.

    So no weights act on pairs: what is left there is a product of matrices for each object.
    """

    def __init__(self, width: int, widths: list[int], scalars: int) -> None:
        super().__init__()
        self.widths, degrees = widths, range(len(widths))
        paths = paths_up_to(len(widths) - 1)
        self.into = [[c for a, c, _ in paths if a == d] for d in degrees]
        self.received, self.sent = (
            nn.ModuleList(
                nn.Linear(width, sum(widths[c] for c in into), bias=False) for into in self.into
            )
            for _ in range(2)
        )
        self.known = nn.ParameterList(torch.randn(scalars, out) / scalars**0.5 for out in widths)

    def forward(self, h: list[Tensor], edges: Edges) -> list[Tensor]:
        received, sent = self.weighed(self.received, h), self.weighed(self.sent, h)
        found = []
        for c, known in enumerate(self.known):
            both = torch.cat([received[c], known.expand(*h[c].shape[:2], -1, -1)], 2)
            y = (edges.received[c] @ both).unflatten(2, (-1, 2 * c + 1))
            y += self.heard(sent[c], edges, c)
            found.append(y)
        return found

    def weighed(self, maps: nn.ModuleList, h: list[Tensor]) -> list[Tensor]:
        """What each path is to couple, (batch, n, sum of 2 a + 1, width) by resulting degree."""
        found = [[] for _ in h]
        for x, weigh, into in zip(h, maps, self.into, strict=True):
            parts = weigh(x).split([self.widths[c] for c in into], -1)
            for c, part in zip(into, parts, strict=True):
                found[c].append(part)
        return [torch.cat(parts, 2) for parts in found]

    def heard(self, sent: Tensor, edges: Edges, c: int) -> Tensor:
        if edges.pairs.index is None:
            return (edges.sent[c] @ sent).unflatten(2, (-1, 2 * c + 1)).transpose(1, 2)
        return edges.sent[c] @ edges.pairs.sent(sent.flatten(2)).unflatten(-1, sent.shape[2:])


class Layer(nn.Module):
    def __init__(self, channels: int, degree: int, scalars: int) -> None:
        super().__init__()
        plain, gates = [channels] * (degree + 1), gate_widths(channels, degree)
        self.first, self.second = FirstOfPairs(channels, gates, scalars), Steerable(channels, gates)
        self.update, self.change = Steerable(2 * channels, gates), Steerable(channels, plain)

    def forward(self, h: list[Tensor], edges: Edges, own: Tables) -> list[Tensor]:
        messages = gated(self.second(gated(self.first(h, edges)), edges.tables))
        both = [torch.cat([x, edges.mean(m)], -1) for x, m in zip(h, messages, strict=True)]
        change = self.change(gated(self.update(both, own)), own)
        return [x + y for x, y in zip(h, change, strict=True)]


class SEGNN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, degree: int, neighbours: int | None
    ) -> None:
        super().__init__()
        self.signature, self.types, self.neighbours = signature, signature.inputs, neighbours
        check_points(signature, "segnn")
        scalars = 1 + count_pair_scalars(self.types, "segnn")
        self.coupling = Coupling(degree)
        self.embed = Embed(self.types, channels, degree, "segnn")
        self.layers = nn.ModuleList(Layer(channels, degree, scalars) for _ in range(depth))
        self.last = Steerable(channels, gate_widths(channels, degree))
        self.readout = Readout(signature, channels, degree, "segnn")

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.types)
        x = coordinates(inputs, self.types, centre)
        edges = Edges(heard(inputs, self.types, x, self.neighbours), self.coupling)
        own = self.own(inputs, edges, centre)
        h = self.embed(inputs, centre)
        for layer in self.layers:
            h = layer(h, edges, own)
        return self.readout(inputs, gated(self.last(h, own)))

    def own(self, inputs: Fields, edges: Edges, centre: Tensor) -> Tables:
        """The matrices of each object's attribute, (batch, n, 2 c + 1, 2 a + 1)."""
        attribute = (edges.pairs.share * edges.attribute).sum(2)
        degree = self.coupling.degree
        vectors = split_by_l(inputs, self.types, centre, degree).get(1)
        if vectors is not None and vectors.shape[2]:
            attribute = (attribute + harmonics(vectors, degree).mean(2)) / 2
        found = tables(self.coupling, attribute.unsqueeze(1))
        return {path: table.squeeze(1) for path, table in found.items()}
