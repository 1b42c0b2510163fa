"""SE(3)-Transformer: attention over neighbours with tensor-product keys and values.

Exact for E(3), over all pairs or the nearest neighbours. Features are one stack of channels for
each degree l, of parity (-1)^l.
"""

import torch
from torch import Tensor, nn

from models.layers.fields import centroid, check_points, coordinates, count_pair_scalars
from models.layers.mlp import mlp
from models.layers.neighbours import heard
from models.layers.tensor_products import RADII, Coupling, Edges, Embed, Readout
from remul.fields import Fields, Signature

EQUIVARIANT = True
PAPER = {"channels": 8, "layers": 4, "heads": 1, "degree": 3}
TINY = 1e-12


def build(
    signature: Signature,
    channels: int = 32,
    layers: int = 3,
    heads: int = 4,
    degree: int = 2,
    neighbours: int | None = None,
) -> "SE3Transformer":
    """SE(3)-Transformer (Fuchs et al. 2020, equations 10 and 11) with norm gates and residuals.

    Object i attends to j with softmax_j <q_i, k_ij>, the inner product over all degrees of one of
    the `heads`. Keys and values, of half the channels as far as the heads divide them, are
    tensor-product messages as in the paper, with kernels M[u, v] R_a,v(d) Y_b for each path
    (a, b, c). The functions R of distance and pair scalars are shared by key and value. The mixes
    M, one for each, act on the query and on the sum over j instead of on pairs, which is the same,
    and makes no kernel of channels by channels for a pair. `degree` is the highest l: the paper's
    4 degrees are `degree=3`. Over all pairs, or the nearest `neighbours`. Takes irreps of parity
    (-1)^l up to `degree`, and 0e of pairs; fields are (batch, n, dim). Raises `ValueError` for
    others. `PAPER` is the baseline of Brehmer et al. 2023 for N-body.
    """
    if heads < 1:
        raise ValueError(f"se3_transformer needs at least one head, got {heads}")
    return SE3Transformer(signature, (channels, layers, heads, degree), neighbours)


class Attention(nn.Module):
    def __init__(self, channels: int, heads: int, coupling: Coupling, known: int) -> None:
        super().__init__()
        self.coupling, self.heads = coupling, heads
        degrees = range(coupling.degree + 1)
        inner = _inner(channels, heads)
        widths = [coupling.width(c) * inner for c in degrees]
        self.radial = mlp(known, 2 * RADII, len(degrees) * inner)
        self.query = nn.ModuleList(nn.Linear(channels, width, bias=False) for width in widths)
        self.send = nn.ModuleList(nn.Linear(channels, inner, bias=False) for _ in degrees)
        self.terms = sum((2 * c + 1) * width for c, width in enumerate(widths)) / heads

    def forward(self, x: list[Tensor], edges: Edges) -> list[Tensor]:
        """Sums over j of weights times products, by l: parts (batch, n, 2 l + 1, channels)."""
        radial = self.radial(edges.radial).unsqueeze(3).chunk(len(x), -1)
        sent = edges.sent([send(part) for send, part in zip(self.send, x, strict=True)])
        felt = [weight * part for weight, part in zip(radial, sent, strict=True)]
        weights = self.weights(x, felt, edges)
        weights = weights.repeat_interleave(felt[0].shape[-1] // self.heads, -1).unsqueeze(3)
        return self.coupling.products([weights * part for part in felt], edges.angular)

    def weights(self, x: list[Tensor], felt: list[Tensor], edges: Edges) -> Tensor:
        """How much i attends to j, (batch, n, k, heads); zero for itself and for padding."""
        asked = [query(part) for query, part in zip(self.query, x, strict=True)]
        rows = self.coupling.rows(asked)
        terms = sum(
            ((angular @ row).view_as(part) * part).sum(3)
            for angular, row, part in zip(edges.angular, rows, felt, strict=True)
        )  # (batch, n, k, channels)
        logits = terms.unflatten(-1, (self.heads, -1)).sum(-1) / self.terms**0.5
        others = edges.pairs.share > 0
        low = torch.finfo(logits.dtype).min
        return torch.where(others, logits, low).softmax(2) * others


def _inner(channels: int, heads: int) -> int:
    """Channels of keys and values."""
    return heads * max(1, channels // (2 * heads))


class Layer(nn.Module):
    def __init__(self, channels: int, heads: int, coupling: Coupling, known: int) -> None:
        super().__init__()
        degrees = range(coupling.degree + 1)
        self.attention = Attention(channels, heads, coupling, known)
        self.mix = nn.ModuleList(
            nn.Linear(channels + coupling.width(c) * _inner(channels, heads), channels, bias=c == 0)
            for c in degrees
        )
        self.gate = mlp((len(degrees) + 1) * channels, 2 * channels, len(degrees) * channels)

    def forward(self, h: list[Tensor], edges: Edges) -> list[Tensor]:
        x = _normalised(h)
        found = self.attention(x, edges)
        both = [torch.cat([part, *parts], -1) for part, parts in zip(x, found, strict=True)]
        mixed = [mix(part) for mix, part in zip(self.mix, both, strict=True)]
        lengths = [(part.square().sum(2) + TINY).sqrt() for part in mixed[1:]]
        invariants = torch.cat([x[0].squeeze(2), mixed[0].squeeze(2), *lengths], -1)
        first, *gates = self.gate(invariants).unsqueeze(2).chunk(len(h), -1)
        gated = [gate * part for gate, part in zip(gates, mixed[1:], strict=True)]
        return [part + new for part, new in zip(h, [first, *gated], strict=True)]


def _normalised(h: list[Tensor]) -> list[Tensor]:
    """The features of each object over their root mean square."""
    squared = sum(part.square().sum((2, 3), keepdim=True) for part in h)
    scale = (squared / sum(part.shape[2] * part.shape[3] for part in h) + TINY).rsqrt()
    return [scale * part for part in h]


class SE3Transformer(nn.Module):
    def __init__(
        self, signature: Signature, sizes: tuple[int, int, int, int], neighbours: int | None
    ) -> None:
        super().__init__()
        self.signature, self.neighbours = signature, neighbours
        check_points(signature, "se3_transformer")
        channels, depth, heads, degree = sizes
        known = RADII + count_pair_scalars(signature.inputs, "se3_transformer")
        self.coupling = Coupling(degree)
        self.read = Embed(signature.inputs, channels, degree, "se3_transformer")
        self.layers = nn.ModuleList(
            Layer(channels, heads, self.coupling, known) for _ in range(depth)
        )
        self.write = Readout(signature, channels, degree, "se3_transformer")

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        x = coordinates(inputs, types, centre)
        edges = self.coupling.edges(heard(inputs, types, x, self.neighbours))
        h = self.read(inputs, centre)
        for layer in self.layers:
            h = layer(h, edges)
        return self.write(inputs, h)
