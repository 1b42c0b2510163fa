"""Tensor field network: messages are Clebsch-Gordan products of features and spherical harmonics.

Exact for E(3), over all pairs or the nearest neighbours. Features are one stack of channels for
each l, of parity (-1)^l.
"""

from functools import partial

import torch
from torch import Tensor, nn

from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    count_pair_scalars,
    has_points,
)
from models.layers.mlp import linear, mlp
from models.layers.neighbours import Reach, find_all_edges, limit_reach
from models.layers.samples import as_block, from_block
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
from remul.fields import Fields, Rep, Signature
from remul.lie import Stages

EQUIVARIANT = True
VERSION = 3
PAPER = {"channels": 32, "layers": 4, "degree": 1}


def build(
    signature: Signature,
    channels: int = 32,
    layers: int = 3,
    degree: int = 2,
    neighbours: int | None = None,
    cutoff: float | None = None,
) -> "TFN":
    """Return a tensor field network (Thomas et al. 2018) with gates, residuals and mean messages.

    `degree` is the highest l of features and of spherical harmonics. The kernel of a path
    (l_in, l_sh, l_out) is M[u, v] R_l_in,v(d) Y_l_sh: channel v has one learned function of the
    distance for all paths from l_in, and the mix M acts after the sum over the senders, so that no
    kernel of channels by channels is made for an edge. R takes a log-spaced basis, 0.01 to 100 in
    the units of the points, and the scalars of the pair. The senders of an object are all others,
    its nearest `neighbours`, or those within the `cutoff`, towards which they fade out; in a cell,
    where points are no features, images send as well. Takes irreps of parity (-1)^l up to `degree`,
    and 0e of pairs; fields are (batch, n, dim). Raises `ValueError` for others. `PAPER` is the
    baseline of Satorras et al.'s N-body study: 64 features, half of them scalars and half vectors.
    """
    reach = limit_reach(signature, neighbours, cutoff, "tfn")
    return TFN(signature, channels, layers, degree, reach)


class Layer(nn.Module):
    """From features of `widths` channels by l to as many `channels` of each l of `ls`."""

    def __init__(
        self,
        widths: list[int],
        channels: int,
        ls: set[int],
        coupling: Coupling,
        radial_width: int,
    ) -> None:
        super().__init__()
        # A tuple, as the tables are registered once, by the network.
        self.couplings, self.widths, self.ls = (coupling,), widths, sorted(ls)
        self.radial = mlp(radial_width, RADIAL_BASIS, sum(widths))
        self.mix = nn.ModuleDict(
            {
                str(l): linear(coupling.count_products(widths, l), channels, bias=l == 0)
                for l in sorted(ls | {0})
            }
        )
        self.gate = mlp(2 * channels, channels, len(ls) * channels)

    def forward(self, h: list[Tensor], embedding: EdgeEmbedding) -> list[Tensor]:
        messages = self.messages(h, embedding)
        mixed = {int(l): mix(messages[int(l)]) for l, mix in self.mix.items()}
        invariants = torch.cat([h[0], mixed[0]], -1).squeeze(-2)  # (batch, n, 2 channels)
        gates = self.gate(invariants).unsqueeze(-2).chunk(len(self.ls), -1)
        gates = dict(zip(self.ls, gates, strict=True))
        return [update(x, gates.get(l), mixed.get(l)) for l, x in enumerate(h)]

    def messages(self, h: list[Tensor], embedding: EdgeEmbedding) -> list[Tensor]:
        """Return means over j of the products, (batch, n, 2 l + 1, products) by l."""
        radial = self.radial(embedding.radial).unsqueeze(3).split(self.widths, -1)
        senders = zip(radial, embedding.gather_senders(h), strict=True)
        messages = [r * x if x.shape[-1] else x for r, x in senders]
        lmax_out = max(self.ls, default=0)
        sums = self.couplings[0].aggregate(messages, embedding, lmax_out)
        return [torch.cat(parts, -1) for parts in sums]


def find_used(signature: Signature, coupling: Coupling, depth: int) -> list[set[int]]:
    """Return the l of features before each layer and after the last one.

    These are neither zero nor without effect on the outputs.
    """
    living, used = find_living(signature, coupling, depth, "tfn")
    ls = [used]
    for alive in reversed(living[:-1]):
        ls.append(alive & (ls[-1] | {0} | coupling.reach(ls[-1] | {0})))
    return ls[::-1]


class TFN(nn.Module):
    def __init__(
        self,
        signature: Signature,
        channels: int,
        depth: int,
        lmax: int,
        reach: Reach,
    ) -> None:
        super().__init__()
        self.signature, self.lmax, self.reach = signature, lmax, reach
        check_points(signature, "tfn")
        apart = has_points(signature.inputs)
        radial_width = apart * RADIAL_BASIS + count_pair_scalars(signature.inputs, "tfn")
        self.coupling = Coupling(lmax, apart)
        ls = find_used(signature, self.coupling, depth)
        self.widths = [count_channels(used, channels, lmax) for used in ls]
        self.embed = Embed(signature.inputs, self.widths[0], "tfn")
        self.layers = nn.ModuleList(
            Layer(widths, channels, used, self.coupling, radial_width)
            for widths, used in zip(self.widths, ls[1:], strict=False)
        )
        self.readout = Readout(signature, self.widths[-1], "tfn")

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
        edges = find_all_edges(inputs, types, x, *self.reach)
        return self.coupling.embed(edges, edges.mean_weights)

    def stages(self) -> Stages:
        """Return the forward pass as a chain: features by l join the inputs as typed fields."""
        types_in = self.signature.inputs
        hidden = {f"hidden {l}": Rep(f"{l}{'eo'[l % 2]}") for l in range(self.lmax + 1)}

        def add_hidden(fields: Fields, h: list[Tensor]) -> Fields:
            fields = {name: fields[name] for name in fields if name not in hidden}
            present = {name: x.mT for name, x in zip(hidden, h, strict=True) if x.shape[-1]}
            return fields | {name: from_block(fields, x) for name, x in present.items()}

        def get_hidden(fields: Fields) -> list[Tensor]:
            one = next(as_block(fields, fields[name]) for name in hidden if name in fields)
            empty = [one.new_zeros(*one.shape[:2], 2 * l + 1, 0) for l in range(self.lmax + 1)]
            return [
                as_block(fields, fields[name]).mT if name in fields else x
                for name, x in zip(hidden, empty, strict=True)
            ]

        def embed(fields: Fields) -> Fields:
            return add_hidden(fields, self.embed(fields, centroid(fields, types_in)))

        def step(layer: Layer, fields: Fields) -> Fields:
            embedding = self.embed_edges(fields, centroid(fields, types_in))
            return add_hidden(fields, layer(get_hidden(fields), embedding))

        def read_out(fields: Fields) -> Fields:
            return self.readout(fields, get_hidden(fields))

        steps = {f"layers.{i}": partial(step, layer) for i, layer in enumerate(self.layers)}
        chain = {}
        for (name, stage), widths in zip(
            ({"embed": embed} | steps).items(), self.widths, strict=True
        ):
            present = [(f, hidden[f]) for f, width in zip(hidden, widths, strict=True) if width]
            chain[name] = (stage, {**types_in, **dict(present)})
        return chain | {"readout": (read_out, self.signature.outputs)}
