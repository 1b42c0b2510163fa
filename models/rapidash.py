"""Convolutional network whose equivariance is a switch: by what its kernels see of a pair.

Kernels of relative positions commute with translations alone; those of distances are exact for
E(3); those of a distance and its angle to each of a grid of orientations are nearly equivariant,
and exact for the rotations that permute the grid.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from models.layers.edges import Edges
from models.layers.encoders import Decoder, Encoder
from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    count_pair_scalars,
    has_points,
    multiplicities,
    origins,
    pack,
    pair_width,
    pool,
    width,
)
from models.layers.lengths import log_squared_length
from models.layers.mlp import linear, mlp
from models.layers.neighbours import Reach, find_all_edges, limit_reach
from models.layers.spheres import grid, lifting, lowering
from models.layers.told import COMPONENTS, FRAME, POSE, Componentwise, Posed
from remul.fields import Fields, Rep, Signature

EQUIVARIANT = {
    "equivariance": {"distances": True},
    "pose": {False: True},
    "scalars": {False: True},
}
PAPER = {"channels": 128, "layers": 5, "orientations": 16}
SEEN = {"translations": 3, "distances": 1, "orientations": 2}  # what kernels see, how many numbers
BASIS, HIDDEN = 4, 32


def build(
    signature: Signature,
    channels: int = 64,
    layers: int = 4,
    equivariance: str = "orientations",
    orientations: int = 12,
    pose: bool = False,
    neighbours: int | None = None,
    cutoff: float | None = None,
    scalars: bool = False,
) -> nn.Module:
    """Return Rapidash (Vadgama et al. 2025, after PONITA, Bekkers et al. 2024) without its U-Net.

    Separable convolutions in ConvNeXt blocks. Kernels see relative positions ("translations"),
    "distances", or distances and angles ("orientations"); then features live on so many points n of
    the sphere at each object, an icosahedron's corners if 12, irreps enter as <Y_l(n), v> and leave
    as means of c(n) Y_l(n), and a second kernel of n n' mixes points. `pose` adds the axes of a
    frame to the inputs, those of the data unless a field `pose`, (batch, 9), gives others: all turn
    together, but a frame that is held breaks the symmetry. `scalars` adds the components of inputs,
    points from the centroid, as if they were invariant, which breaks it for any data.
    What departs: positions enter as asinh, distances as log(1 + d^2), both by one small network for
    all layers, not by their powers; messages are means; an object has a weight in its own sum. The
    senders of an object are all others, its nearest `neighbours`, or those within the `cutoff`,
    towards which they fade out; in a cell images too. Fields are (batch, n, dim), of any irreps,
    those of "distances" 0e and 1o, of pairs 0e. Raises `ValueError` for others, and other switches.
    """
    if equivariance not in SEEN or orientations < 1:
        raise ValueError(
            f"equivariance is {', '.join(SEEN)}, of at least one orientation; "
            f"got {equivariance!r}, {orientations}"
        )
    reach = limit_reach(signature, neighbours, cutoff, "rapidash")
    sizes = channels, layers, equivariance, orientations
    if pose:
        told = Signature({**signature.inputs, POSE: FRAME}, signature.outputs)
        return Posed(build(told, *sizes, False, *reach, scalars))
    if scalars:
        types = {n: rep for n, rep in signature.inputs.items() if n != POSE}
        components = Rep(f"{width(types)}x0e")
        told = Signature({**signature.inputs, COMPONENTS: components}, signature.outputs)
        return Componentwise(build(told, *sizes, False, *reach), types)
    if equivariance == "distances":
        return Isotropic(signature, channels, layers, reach)
    points = grid(orientations) if equivariance == "orientations" else None
    return Rapidash(signature, channels, layers, reach, points)


class Layer(nn.Module):
    def __init__(self, channels: int, fibred: bool) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.randn(BASIS, channels) / BASIS**0.5)
        self.own = nn.Parameter(torch.randn(channels))
        self.mixes = nn.Parameter(torch.randn(BASIS, channels) / BASIS**0.5) if fibred else None
        self.net = nn.Sequential(
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels, bias=False),
        )

    def forward(self, f: Tensor, edges: Edges, kernel: Tensor, fibre: Tensor | None) -> Tensor:
        x = self.convolve(f, edges, kernel) + self.own * f  # (batch, points, n, channels)
        if fibre is not None:
            x = torch.einsum("opc,bpnc->bonc", fibre @ self.mixes / len(fibre), x)
        return f + self.net(layer_norm(x, x.shape[-1:]))

    def convolve(self, f: Tensor, edges: Edges, kernel: Tensor) -> Tensor:
        """Return sums over the senders, each times its kernel: (batch, points, n, channels)."""
        if edges.senders is None:  # one product over j and the basis together
            return kernel @ (f.unsqueeze(3) * self.filters).flatten(2, 3)
        shape = f.shape[1], f.shape[3]
        sent = edges.gather_senders(f.transpose(1, 2).flatten(2)).unflatten(-1, shape)
        sums = kernel @ sent.transpose(2, 3)  # (batch, rows, points, BASIS, channels)
        return edges.sum_rows((sums * self.filters).sum(3)).transpose(1, 2)


class Trunk(nn.Module):
    """The layers, with the basis of their kernels: of `numbers` of a pair, and of orientations."""

    def __init__(self, channels: int, depth: int, numbers: int, fibred: bool) -> None:
        super().__init__()
        self.pairs = mlp(numbers, HIDDEN, BASIS * depth)
        self.fibres = mlp(1, HIDDEN, BASIS * depth) if fibred else None
        self.layers = nn.ModuleList(Layer(channels, fibred) for _ in range(depth))

    def forward(
        self, f: Tensor, edges: Edges, seen: Tensor, points: Tensor | None = None
    ) -> Tensor:
        """Return features at objects, (batch, points, n, channels), given what is `seen` of pairs.

        That is (batch, rows, k, points or 1, numbers).
        """
        kernels, fibres = self.kernels(edges, seen, f.shape[1]), [None] * len(self.layers)
        if self.fibres is not None and points is not None:
            cosines = (points @ points.mT).unsqueeze(-1)
            fibres = self.fibres(cosines).chunk(len(self.layers), -1)  # (points, points, BASIS)
        for layer, kernel, fibre in zip(self.layers, kernels, fibres, strict=True):
            f = layer(f, edges, kernel, fibre)
        return f

    def kernels(self, edges: Edges, seen: Tensor, points: int) -> Tensor:
        """Return the kernels of pairs by layer, laid so that a product with features sums over j.

        From all objects they are (batch, points, n, k BASIS), else (batch, rows, points, BASIS, k).
        """
        kernels = self.pairs(seen) * edges.mean_weights.unsqueeze(-1)
        kernels = kernels.expand(-1, -1, -1, points, -1).unflatten(-1, (-1, BASIS))
        if edges.senders is None:
            return kernels.permute(4, 0, 3, 1, 2, 5).flatten(4)
        return kernels.permute(4, 0, 1, 3, 5, 2).contiguous()


class Rapidash(nn.Module):
    """On a grid of orientations at each object, or, without one, on components."""

    def __init__(
        self, signature: Signature, channels: int, depth: int, reach: Reach, points: Tensor | None
    ) -> None:
        super().__init__()
        self.signature, self.reach, self.gridded = signature, reach, points is not None
        check_points(signature, "rapidash")
        self.apart = has_points(signature.inputs)
        if points is None:
            pairs, points = pair_width(signature.inputs), torch.zeros(1, 3)
            lift, lower = (torch.eye(width(types)) for types in vars(signature).values())
        else:
            pairs = count_pair_scalars(signature.inputs, "rapidash")
            lift, lower = lifting(signature.inputs, points), lowering(signature.outputs, points)
        for name, table in {"points": points, "lift": lift, "lower": lower}.items():
            self.register_buffer(name, table.double(), persistent=False)
        numbers = (2 if self.gridded else 3) * self.apart + pairs
        self.embed = linear(lift.shape[1] // len(points), channels)
        self.trunk = Trunk(channels, depth, numbers, self.gridded)
        self.readout = linear(channels, lower.shape[0] // len(points), bias=not self.gridded)

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        x = coordinates(inputs, types, centre)
        edges, points = find_all_edges(inputs, types, x, *self.reach), self.points.to(x)
        lifted = (pack(inputs, types, centre) @ self.lift.to(x)).unflatten(-1, (len(points), -1))
        f = self.embed(lifted.transpose(1, 2))  # (batch, points, n, channels)
        f = self.trunk(f, edges, self.see(edges, points), points)
        y = self.readout(f).transpose(1, 2).flatten(2) @ self.lower.to(x)
        parts = y.split([rep.dim for rep in self.signature.outputs.values()], -1)
        starts = origins(inputs, self.signature)
        fields = {
            name: part + starts.get(name, 0)
            for name, part in zip(self.signature.outputs, parts, strict=True)
        }
        return pool(inputs, fields, self.signature.outputs)

    def see(self, edges: Edges, points: Tensor) -> Tensor:
        """Return what kernels see of pairs, (batch, rows, k, points or 1, numbers)."""
        parts = [edges.vectors.asinh().unsqueeze(3)] if self.apart else []
        if self.apart and self.gridded:
            along = (edges.vectors @ points.mT).asinh().unsqueeze(-1)
            distances = log_squared_length(edges.vectors).unsqueeze(3)
            parts = [along, distances.expand(-1, -1, -1, len(points), -1)]
        if edges.features is not None:
            features = edges.features.unsqueeze(3)
            parts.append(features.expand(-1, -1, -1, parts[0].shape[3] if parts else 1, -1))
        empty = [edges.vectors[..., None, :0]]
        return torch.cat(parts or empty, -1)


class Isotropic(nn.Module):
    """On scalars of objects, with kernels of distances; exact for E(3)."""

    def __init__(self, signature: Signature, channels: int, depth: int, reach: Reach) -> None:
        super().__init__()
        self.types, self.reach = signature.inputs, reach
        self.encoder = Encoder(signature, channels, "rapidash")
        self.apart = has_points(signature.inputs)
        numbers = self.apart + count_pair_scalars(signature.inputs, "rapidash")
        self.trunk = Trunk(channels, depth, numbers, fibred=False)
        moves = self.apart and multiplicities(signature.outputs, 1, "rapidash")[1] > 0
        self.push = mlp(numbers, HIDDEN, BASIS) if moves else None
        self.ends = nn.Linear(channels, 2 * BASIS) if moves else None
        self.decoder = Decoder(signature, channels, moves, "rapidash")

    def forward(self, inputs: Fields) -> Fields:
        h, x, v = self.encoder(inputs)
        edges = find_all_edges(inputs, self.types, x, *self.reach)
        distances = log_squared_length(edges.vectors)
        seen = edges.append_features(distances if self.apart else distances[..., :0])
        h = self.trunk(h.unsqueeze(1), edges, seen.unsqueeze(3)).squeeze(1)
        return self.decoder(inputs, h, self.displace(h, edges, seen), v)

    def displace(self, h: Tensor, edges: Edges, seen: Tensor) -> Tensor:
        """Return sums of relative positions, (batch, n, 3), each times a kernel of its distance."""
        if self.push is None:
            return h.new_zeros(*h.shape[:2], 3)
        received, sent = self.ends(h).chunk(2, -1)
        kernel = self.push(seen) * edges.gather_receivers(received) * edges.gather_senders(sent)
        weights = edges.mean_weights * kernel.sum(-1, keepdim=True)
        return edges.aggregate(weights, edges.vectors)
