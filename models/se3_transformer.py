"""SE(3)-Transformer: attention over neighbours with tensor-product keys and values.

Exact for E(3), over all pairs or the nearest neighbours. Features are one stack of channels for
each l, of parity (-1)^l.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    count_pair_scalars,
    has_points,
)
from models.layers.lengths import narrow, smooth_length, widen
from models.layers.mlp import linear, mlp
from models.layers.neighbours import Reach, find_all_edges, limit_reach
from models.layers.tensor_products import (
    RADIAL_BASIS,
    Coupling,
    EdgeEmbedding,
    Embed,
    Readout,
    count_channels,
    find_living,
    update,
)
from remul.fields import Fields, Signature

EQUIVARIANT = True
VERSION = 2
PAPER = {"channels": 8, "layers": 4, "heads": 1, "degree": 3}
TINY = 1e-12
Sizes = tuple[int, int, int]  # channels, heads, width of the radial input


def build(
    signature: Signature,
    channels: int = 32,
    layers: int = 3,
    heads: int = 4,
    degree: int = 2,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "SE3Transformer":
    """Return an SE(3)-Transformer (Fuchs et al. 2020, equations 10, 11), norm-gated and residual.

    Object i attends to j with softmax_j <q_i, k_ij>, the inner product over all l of one of the
    `heads`. Keys and values, of half the channels as far as the heads divide them, are
    tensor-product messages as in the paper, with kernels M[u, v] R_l_in,v(d) Y_l_sh for each path
    (l_in, l_sh, l_out). The functions R of distance and pair scalars are shared by key and value.
    The mixes M, one for each, act on the query and on the sum over j instead of on edges, which is
    the same, and makes no kernel of channels by channels for an edge. `degree` is the highest l:
    the paper's 4 degrees are `degree=3`. The senders of an object are all others, its nearest
    `neighbours`, or those within the `cutoff`, towards which they fade out; in a cell, where points
    are no features, images send as well. Takes irreps of parity (-1)^l up to `degree`, and 0e of
    pairs; fields are (batch, n, dim). Raises `ValueError` for others, and without a head. `PAPER`
    is the baseline of Brehmer et al. 2023 for N-body.
    """
    if heads < 1:
        raise ValueError(f"se3_transformer needs at least one head, got {heads}")
    reach = limit_reach(signature, neighbours, cutoff, "se3_transformer")
    return SE3Transformer(signature, (channels, layers, heads, degree), reach)


class Attention(nn.Module):
    """Of features of `widths` channels by l, to values of `sent` channels."""

    def __init__(
        self, widths: list[int], sent: list[int], heads: int, coupling: Coupling, radial_width: int
    ) -> None:
        super().__init__()
        # A tuple, as the tables are registered once, by the network.
        self.couplings, self.heads, self.sent = (coupling,), heads, sent
        keys = [coupling.count_products(sent, l) for l in range(len(widths))]
        self.radial = mlp(radial_width, 2 * RADIAL_BASIS, sum(sent))
        self.query, self.send = (
            nn.ModuleList(linear(*sizes, bias=False) for sizes in zip(widths, outs, strict=True))
            for outs in (keys, sent)
        )
        self.terms = sum((2 * l + 1) * keys[l] for l, width in enumerate(widths) if width) / heads

    def forward(self, x: list[Tensor], embedding: EdgeEmbedding) -> list[list[Tensor]]:
        """Return values summed by attention, by l_out: parts (batch, n, 2 l + 1, channels)."""
        radial = self.radial(embedding.radial).unsqueeze(3).split(self.sent, -1)
        senders = embedding.gather_senders(
            [send(part) for send, part in zip(self.send, x, strict=True)]
        )
        messages = [
            r * part if part.shape[-1] else part for r, part in zip(radial, senders, strict=True)
        ]
        attention = self.weights(x, messages, embedding)  # (batch, n, k, heads)
        per_head = self.sent[0] // self.heads
        attention = attention.repeat_interleave(per_head, -1).unsqueeze(3)
        weighted = [attention * m if m.shape[-1] else m for m in messages]
        return self.couplings[0].aggregate(weighted, embedding)

    def weights(self, x: list[Tensor], messages: list[Tensor], embedding: EdgeEmbedding) -> Tensor:
        """Return how much i attends to j, (batch, n, k, heads); zero for itself and for padding."""
        queries = [query(part) for query, part in zip(self.query, x, strict=True)]
        # <q_i, k_ij> with keys C m, C the angular matrix, is <C^T q_i, m>: no key is ever made.
        rows = self.couplings[0].order_as_rows(queries, self.sent)
        products = sum(
            ((angular @ embedding.edges.to_rows(row)).view_as(m) * m).sum(3)
            for angular, row, m in zip(embedding.angular, rows, messages, strict=True)
            if m.shape[-1]
        )  # (batch, n, k, channels)
        logits = products.unflatten(-1, (self.heads, -1)).sum(-1) / self.terms**0.5
        return embedding.edges.softmax(logits)


def count_hidden(channels: int, heads: int) -> int:
    """Return the number of channels of keys and values: half of `channels`, divided by heads."""
    return heads * max(1, channels // (2 * heads))


class Layer(nn.Module):
    """Mixes features of each l that is alive, and makes those that are used of them."""

    def __init__(
        self, alive: tuple[set[int], set[int]], used: set[int], sizes: Sizes, coupling: Coupling
    ) -> None:
        super().__init__()
        channels, heads, radial_width = sizes
        widths, mixed, sent = (
            count_channels(ls, width, coupling.lmax)
            for ls, width in zip(
                (*alive, alive[0]), (channels, channels, count_hidden(channels, heads)), strict=True
            )
        )
        self.used, self.widths = sorted(used), widths
        self.attention = Attention(widths, sent, heads, coupling, radial_width)
        self.mix = nn.ModuleList(
            linear(width + coupling.count_products(sent, l), mixed[l], bias=l == 0)
            for l, width in enumerate(widths)
        )
        self.gate = mlp(channels + sum(mixed), 2 * channels, len(used) * channels)

    def forward(self, h: list[Tensor], embedding: EdgeEmbedding) -> list[Tensor]:
        x = normalise(h)
        values = self.attention(x, embedding)
        both = [torch.cat([part, *parts], -1) for part, parts in zip(x, values, strict=True)]
        mixed = [mix(part) for mix, part in zip(self.mix, both, strict=True)]
        lengths = [smooth_length(part, 2, keepdim=False) for part in mixed[1:]]
        invariants = torch.cat([x[0].squeeze(2), mixed[0].squeeze(2), *lengths], -1)
        gates = self.gate(invariants).unsqueeze(2).chunk(len(self.used), -1)
        gates = dict(zip(self.used, gates, strict=True))
        return [update(x, gates.get(l), mixed[l]) for l, x in enumerate(h)]


def normalise(h: list[Tensor]) -> list[Tensor]:
    """Return the features of each object over their root mean square."""
    squared = sum(widen(part).square().sum((2, 3), keepdim=True) for part in h)
    scale = (squared / sum(part.shape[2] * part.shape[3] for part in h) + TINY).rsqrt()
    return [narrow(scale, part.dtype) * part for part in h]


class SE3Transformer(nn.Module):
    def __init__(
        self, signature: Signature, sizes: tuple[int, int, int, int], reach: Reach
    ) -> None:
        super().__init__()
        self.signature, self.reach = signature, reach
        check_points(signature, "se3_transformer")
        channels, depth, heads, lmax = sizes
        self.coupling = coupling = Coupling(lmax, has_points(signature.inputs))
        radial_width = coupling.apart * RADIAL_BASIS
        radial_width += count_pair_scalars(signature.inputs, "se3_transformer")
        living, outs = find_living(signature, coupling, depth, "se3_transformer")
        used = [*living[:-1], outs]  # each layer takes lengths of all l, the readout some of them
        widths = [count_channels(ls, channels, lmax) for ls in (used[0], outs)]
        self.embed = Embed(signature.inputs, widths[0], "se3_transformer")
        sizes = channels, heads, radial_width
        self.layers = nn.ModuleList(
            Layer(alive, ls, sizes, coupling)
            for alive, ls in zip(pairwise(living), used[1:], strict=True)
        )
        self.readout = Readout(signature, widths[1], "se3_transformer")

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        x = coordinates(inputs, types, centre)
        embedding = self.coupling.embed(find_all_edges(inputs, types, x, *self.reach))
        h = self.embed(inputs, centre)
        for layer in self.layers:
            h = layer(h, embedding)
        return self.readout(inputs, h)
