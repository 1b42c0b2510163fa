"""Steerable E(3) graph network: every linear map is a tensor product with a geometric attribute."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.layers.edges import Edges
from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    count_pair_scalars,
    has_points,
    multiplicities,
    split_by_l,
)
from models.layers.lengths import log_squared_length
from models.layers.mlp import linear
from models.layers.neighbours import Reach, find_all_edges, limit_reach
from models.layers.samples import max_objects
from models.layers.search import ROUND_OFF
from models.layers.steerable import (
    Couplings,
    Degrees,
    Matrices,
    SteerableLinear,
    apply_gates,
    gate_widths,
    list_paths,
    steer,
)
from models.layers.tensor_product_backends import spherical_harmonics
from models.layers.tensor_products import Coupling, Embed, Readout, count_channels
from remul.fields import Fields, Signature

EQUIVARIANT = True
VERSION = 2
PAPER = {"channels": 32, "layers": 4, "degree": 1}


def build(
    signature: Signature,
    channels: int = 16,
    layers: int = 3,
    degree: int = 1,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "SEGNN":
    """Return a steerable E(3)-equivariant graph network (Brandstetter et al. 2022).

    A steerable linear map sends x to the sum over paths of W CG(x, a), a being a geometric
    attribute. That of an edge is the spherical harmonics of x_i - x_j; that of an object half their
    mean over its neighbours and half that of its vectors' harmonics, points counting as vectors
    from the centroid. Its scalar is 1. Messages are two such maps with gates of (h_i, h_j,
    log(1 + d^2), scalars of the pair), their mean and h_i give the update by two more. `channels`
    is the number of features of each l up to `degree`; the paper's 64 hidden features balance to 32
    of l = 0 and 1. The senders of an object are all others, its nearest `neighbours`, or those
    within the `cutoff`, towards which they fade out; in a cell, where points are no features,
    images send as well. Takes irreps of parity (-1)^l up to `degree` and 0e of pairs; fields are
    (batch, n, dim). Raises `ValueError` for others.
    """
    reach = limit_reach(signature, neighbours, cutoff, "segnn")
    return SEGNN(signature, channels, layers, degree, reach)


def clear_round_off(inputs: Fields, vectors: Tensor) -> Tensor:
    """Return vectors (batch, n, k, 3), zero where round-off of the longest is as large.

    An object in the centre of a symmetric shape has no direction from it, and shall get none.
    """
    if not vectors.numel():
        return vectors
    lengths = vectors.norm(dim=-1, keepdim=True)
    round_off = ROUND_OFF * torch.finfo(vectors.dtype).eps * max_objects(inputs, lengths)
    return torch.where(lengths > round_off, vectors, 0)


class EdgeAttributes:
    """What all layers need of the edges.

    `matrices` has that of each path. `received` has those of all paths to one l_out side by side,
    by l_out, and behind them the harmonics times the invariants of the edge, so that one product
    per receiver i takes all its edges; `sent` the same per sender j where all objects send to all.
    """

    def __init__(self, edges: Edges, coupling: Coupling) -> None:
        self.edges, self.attribute = edges, spherical_harmonics(edges.vectors, coupling.lmax_sh)
        self.matrices = steer(coupling, self.attribute)
        squared = log_squared_length(edges.vectors)
        invariants = edges.append_features(squared if coupling.apart else squared[..., :0])
        self.sent, self.received = [], []
        for l in range(coupling.lmax + 1):
            paths = [matrix for path, matrix in self.matrices.items() if path[1] == l]
            # Both objects bring as many products as there are paths: their sum keeps its scale.
            rows = torch.cat(paths, -1) / (2 * len(paths)) ** 0.5  # (batch, n, k, 2 l + 1, width)
            received = [rows]
            if l <= coupling.lmax_sh:
                harmonics = self.attribute[..., l * l : (l + 1) ** 2].unsqueeze(-1)
                received.append(harmonics * invariants.unsqueeze(-2))
            self.received.append(torch.cat(received, -1).flatten(2, 3))
            self.sent.append(rows.transpose(1, 2).flatten(2, 3) if edges.senders is None else rows)

    def mean(self, messages: Tensor) -> Tensor:
        """Return means over j: (batch, n, k, 2 l + 1, c) to (batch, n, 2 l + 1, c)."""
        means = self.edges.aggregate(self.edges.mean_weights, messages.flatten(3))
        return means.unflatten(-1, messages.shape[3:])


class SteerablePairLinear(nn.Module):
    """The steerable linear map of (h_i, h_j, invariants), its weights applied to objects.

    So no weights act on edges: what is left there is a product of matrices for each object.
    """

    def __init__(
        self, widths_in: list[int], widths: list[int], invariants: int, coupling: Coupling
    ) -> None:
        super().__init__()
        self.widths, ls = widths, range(len(widths))
        paths = list_paths(coupling, [1] * len(widths))
        self.l_outs = [[l_out for l_in, l_out, _ in paths if l_in == l] for l in ls]
        self.receive, self.send = (
            nn.ModuleList(
                linear(width, sum(widths[l] for l in l_outs), bias=False)
                for width, l_outs in zip(widths_in, self.l_outs, strict=True)
            )
            for _ in range(2)
        )
        counts = [invariants if l <= coupling.lmax_sh else 0 for l in ls]
        self.invariant_weights = nn.ParameterList(
            torch.randn(count, out) / max(count, 1) ** 0.5
            for count, out in zip(counts, widths, strict=True)
        )

    def forward(self, h: list[Tensor], attributes: EdgeAttributes) -> list[Tensor]:
        received, sent = self.weigh(self.receive, h), self.weigh(self.send, h)
        outputs = []
        for l, weights in enumerate(self.invariant_weights):
            x = torch.cat([received[l], weights.expand(*h[l].shape[:2], -1, -1)], 2)
            y = (attributes.received[l] @ attributes.edges.to_rows(x)).unflatten(2, (-1, 2 * l + 1))
            y += self.couple_senders(sent[l], attributes, l)
            outputs.append(y)
        return outputs

    def weigh(self, maps: nn.ModuleList, h: list[Tensor]) -> list[Tensor]:
        """Return what each path is to couple, (batch, n, sum of 2 l_in + 1, width) by l_out."""
        weighed = [[] for _ in h]
        for x, weigh, l_outs in zip(h, maps, self.l_outs, strict=True):
            parts = weigh(x).split([self.widths[l] for l in l_outs], -1)
            for l_out, part in zip(l_outs, parts, strict=True):
                weighed[l_out].append(part)
        return [torch.cat(parts, 2) for parts in weighed]

    def couple_senders(self, sent: Tensor, attributes: EdgeAttributes, l_out: int) -> Tensor:
        """Return the part of each edge that its sender brings, (batch, n, k, 2 l + 1, width)."""
        matrices, edges = attributes.sent[l_out], attributes.edges
        if edges.senders is None:
            return (matrices @ sent).unflatten(2, (-1, 2 * l_out + 1)).transpose(1, 2)
        return matrices @ edges.gather_senders(sent.flatten(2)).unflatten(-1, sent.shape[2:])


class Layer(nn.Module):
    def __init__(self, ls: Degrees, channels: int, invariants: int, couplings: Couplings) -> None:
        super().__init__()
        lmax = couplings.edges.lmax
        widths = Degrees(*(count_channels(used, channels, lmax) for used in ls))
        both = [sum(pair) for pair in zip(widths.taken, widths.message_2, strict=True)]
        self.message_1 = SteerablePairLinear(
            widths.taken, gate_widths(widths.message_1), invariants, couplings.edges
        )
        self.message_2 = SteerableLinear(
            widths.message_1, gate_widths(widths.message_2), couplings.edges
        )
        self.update_1 = SteerableLinear(both, gate_widths(widths.update_1), couplings.objects)
        self.update_2 = SteerableLinear(widths.update_1, widths.update_2, couplings.objects)
        self.widths = widths

    def forward(
        self, h: list[Tensor], attributes: EdgeAttributes, matrices: Matrices
    ) -> list[Tensor]:
        messages = self.message_2(apply_gates(self.message_1(h, attributes)), attributes.matrices)
        messages = apply_gates(messages)
        both = [torch.cat([x, attributes.mean(m)], -1) for x, m in zip(h, messages, strict=True)]
        updates = self.update_2(apply_gates(self.update_1(both, matrices)), matrices)
        ins, outs = self.widths.taken, self.widths.update_2
        return [
            x + y if width_in and width_out else y
            for x, y, width_in, width_out in zip(h, updates, ins, outs, strict=True)
        ]


class SEGNN(nn.Module):
    def __init__(
        self, signature: Signature, channels: int, depth: int, lmax: int, reach: Reach
    ) -> None:
        super().__init__()
        self.signature, self.types, self.reach = signature, signature.inputs, reach
        check_points(signature, "segnn")
        apart = has_points(self.types)
        invariants = apart + count_pair_scalars(self.types, "segnn")
        ins, outs = (
            {l for l, mul in multiplicities(types, lmax, "segnn").items() if mul}
            for types in (signature.inputs, signature.outputs)
        )
        couplings = Couplings(Coupling(lmax, apart), Coupling(lmax, apart or 1 in ins))
        self.coupling, self.coupling_of_objects = couplings
        plan, last = couplings.plan(ins | {0}, outs, depth)
        self.layers = nn.ModuleList(Layer(ls, channels, invariants, couplings) for ls in plan)
        used = plan[0].taken if plan else ins | {0}
        self.embed = Embed(self.types, count_channels(used, channels, lmax), "segnn")
        read = count_channels(last, channels, lmax)
        before = plan[-1].update_2 if plan else used
        self.last = SteerableLinear(
            count_channels(before, channels, lmax), gate_widths(read), couplings.objects
        )
        self.readout = Readout(signature, read, "segnn")

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.types)
        x = coordinates(inputs, self.types, centre)
        edges = find_all_edges(inputs, self.types, x, *self.reach)
        attributes = EdgeAttributes(edges, self.coupling)
        matrices = self.steer_objects(inputs, attributes, centre)
        h = self.embed(inputs, centre)
        for layer in self.layers:
            h = layer(h, attributes, matrices)
        return self.readout(inputs, apply_gates(self.last(h, matrices)))

    def steer_objects(self, inputs: Fields, attributes: EdgeAttributes, centre: Tensor) -> Matrices:
        """Return the matrices of each object's attribute, (batch, n, 2 l_out + 1, 2 l_in + 1)."""
        edges = attributes.edges
        attribute = edges.sum_rows((edges.mean_weights * attributes.attribute).sum(2))
        lmax = self.coupling.lmax
        width = (self.coupling_of_objects.lmax_sh + 1) ** 2
        attribute = pad(attribute, (0, width - attribute.shape[-1]))
        vectors = split_by_l(inputs, self.types, centre, lmax).get(1)
        if vectors is not None and vectors.shape[2]:
            vectors = clear_round_off(inputs, vectors)
            attribute = (attribute + spherical_harmonics(vectors, lmax).mean(2)) / 2
        matrices = steer(self.coupling_of_objects, attribute.unsqueeze(1))
        return {path: matrix.squeeze(1) for path, matrix in matrices.items()}
