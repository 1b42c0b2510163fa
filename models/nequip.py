"""NequIP's convolution: tensor products of all parities, a learned radial weight for each path.

Exact for E(3), over all pairs or the nearest neighbours. The products run on any of the tensor
product backends; all of them compute the same function of the same weights.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    count_pair_scalars,
    feature_fields,
    has_points,
    join_by_l,
    origins,
    pack,
    split_irreps,
)
from models.layers.mlp import join_linear, linear, mlp
from models.layers.neighbours import Reach, find_all_edges, find_edges, limit_reach
from models.layers.samples import block_shape
from models.layers.tensor_product_backends import build_backend, convolve, spherical_harmonics
from models.layers.tensor_product_spec import Geometry, Irrep, TensorProductSpec
from models.layers.tensor_products import RADIAL_BASIS, radial_basis
from remul.fields import BATCH, Fields, Signature, Types

EQUIVARIANT = True
VERSION = 2
PAPER = {"channels": 32, "layers": 4, "degree": 1}
SCALAR = (0, 1)  # 0e
FEW = 8  # objects up to which edges to oneself cost more than gathering all others


def build(
    signature: Signature,
    channels: int = 16,
    layers: int = 2,
    degree: int = 1,
    neighbours: int | None = None,
    cutoff: float | None = None,
    kernel: str = "own",
) -> "NequIP":
    """Return NequIP (Batzner et al. 2022) with gates, without its chemistry.

    A layer is W h_i + sum over paths of V mean_j R(d_ij) CG(U h_j, Y_ij), then SiLU for 0e, tanh
    for 0o and sigmoid gates for the rest. R has a value for each path and channel; it takes a
    log-spaced basis, 0.01 to 100 in the units of the points, and the scalars of the pair. There
    are `channels` features of each l up to `degree` in both parities; `PAPER` is the full
    configuration of the authors' repository. The senders of an object are all others, its nearest
    `neighbours`, or those within the `cutoff`, towards which they fade out; in a cell, where points
    are no features, images send as well. `kernel` is the backend that computes the products: own,
    e3nn, cuequivariance or openequivariance; e3nn makes its tables in torch's default dtype. Takes
    irreps up to `degree`, and 0e of pairs; fields are (batch, n, dim). Raises `ValueError` for
    others, and for a kernel that is unknown or not installed.
    """
    lmax_sh = degree if has_points(signature.inputs) else 0
    spec = TensorProductSpec(degree, channels, lmax_sh)
    reach = limit_reach(signature, neighbours, cutoff, "nequip")
    return NequIP(signature, spec, layers, reach, kernel)


def count_irreps(types: Types, spec: TensorProductSpec) -> dict[Irrep, int]:
    """Return the multiplicities of the irreps; `ValueError` for an l too high."""
    muls = dict.fromkeys(spec.irreps, 0)
    for name, rep in feature_fields(types).items():
        for mul, *irrep in rep.chunks:
            if tuple(irrep) not in muls:
                allowed = f"irreps up to l = {spec.lmax}"
                raise ValueError(f"nequip takes {allowed}; field {name!r} is {rep.irreps!r}")
            muls[tuple(irrep)] += mul
    return muls


def split_by_irrep(inputs: Fields, types: Types, centre: Tensor) -> dict[Irrep, Tensor]:
    """Return the copies of each irrep side by side, (batch, n, 2 l + 1, mul), by irrep."""
    parts = {}
    for part, mul, *irrep in split_irreps(pack(inputs, types, centre), types):
        parts.setdefault(tuple(irrep), []).append(part.unflatten(-1, (mul, -1)).mT)
    return {irrep: torch.cat(tensors, -1) for irrep, tensors in parts.items()}


def join_by_irrep(inputs: Fields, values: dict[Irrep, Tensor], signature: Signature) -> Fields:
    """Return the output fields of (batch, n, 2 l + 1, mul) by irrep: `split_by_irrep` inverted."""
    queues = {irrep: iter(x.unbind(-1)) for irrep, x in values.items()}
    by_l = {l: [] for l, _ in values}
    for rep in signature.outputs.values():
        for mul, l, parity in rep.chunks:
            by_l[l] += [next(queues[l, parity]) for _ in range(mul)]
    stacked = {l: torch.stack(tensors, 2) for l, tensors in by_l.items() if tensors}
    return join_by_l(inputs, stacked, signature.outputs, origins(inputs, signature))


class Layer(nn.Module):
    """From the irreps `ins` to the irreps `outs`, by their index."""

    def __init__(
        self,
        spec: TensorProductSpec,
        ins: set[int],
        outs: set[int],
        radial_width: int,
        backend: str,
    ) -> None:
        super().__init__()
        irreps, channels = spec.irreps, spec.channels
        spec = TensorProductSpec(spec.lmax, channels, spec.lmax_sh, ins, made_for(outs))
        self.backend = build_backend(backend, spec)
        self.paths_to = [
            [path for path, (_, _, out) in enumerate(spec.paths) if out == index]
            for index in range(len(irreps))
        ]
        widths_in = [channels if index in ins else 0 for index in range(len(irreps))]
        sent = [channels if index in spec.ins else 0 for index in range(len(irreps))]
        self.widths = [channels if index in outs else 0 for index in range(len(irreps))]
        # 0e holds a gate for each irrep but the scalars, 0e and 0o, besides itself.
        widths = [self.widths[0] + sum(self.widths[2:]), *self.widths[1:]]
        self.radial = nn.Sequential(
            mlp(radial_width, 2 * RADIAL_BASIS, activate_last=True),
            nn.Linear(2 * RADIAL_BASIS, len(spec.paths) * channels, bias=False),
        )
        self.send = nn.ModuleList(
            linear(*sizes, bias=False) for sizes in zip(widths_in, sent, strict=True)
        )
        self.mix = nn.ModuleList(
            linear(width_in + channels * len(paths), width, bias=irrep == SCALAR)
            for width_in, paths, width, irrep in zip(
                widths_in, self.paths_to, widths, irreps, strict=True
            )
        )

    def forward(self, h: list[Tensor], radial: Tensor, geometry: Geometry) -> list[Tensor]:
        sent = [send(x) for send, x in zip(self.send, h, strict=True)]
        aggregated = convolve(self.backend, sent, self.radial, radial, geometry)
        mixed = [
            join_linear(mix, [x, *(aggregated[path] for path in paths)])
            for mix, x, paths in zip(self.mix, h, self.paths_to, strict=True)
        ]
        return apply_gates(mixed, self.widths)


def made_for(outs: set[int]) -> set[int]:
    """Return the irreps to be made for those that a layer puts out: for most of them 0e too."""
    return outs | {0} if any(index > 1 for index in outs) else outs


def find_used(spec: TensorProductSpec, ins: set[int], outs: set[int], depth: int) -> list[set[int]]:
    """Return the irreps before each layer and after the last one, by index.

    These are neither zero, given the irreps of the inputs, nor without effect on the outputs.
    """
    living = [ins]
    for _ in range(depth):
        living.append(living[-1] | {j for i, _, j in spec.paths if i in living[-1]})
    used = [outs & living[-1]]
    for alive in reversed(living[:-1]):
        needed = made_for(used[-1])
        used.append(alive & (needed | {i for i, _, j in spec.paths if j in needed}))
    return used[::-1]


def apply_gates(x: list[Tensor], widths: list[int]) -> list[Tensor]:
    """Return SiLU of 0e, tanh of 0o, and all others times gates, which stand behind 0e.

    `widths` are the channels that are left of each.
    """
    scalars, *gates = x[0].split([widths[0], *widths[2:]], -1)
    gated = [gate.sigmoid() * y for gate, y in zip(gates, x[2:], strict=True)]
    return [silu(scalars), x[1].tanh(), *gated]


class NequIP(nn.Module):
    def __init__(
        self,
        signature: Signature,
        spec: TensorProductSpec,
        depth: int,
        reach: Reach,
        backend: str,
    ) -> None:
        super().__init__()
        self.signature, self.lmax, self.reach = signature, spec.lmax, reach
        check_points(signature, "nequip")
        self.apart, self.lmax_sh = has_points(signature.inputs), spec.lmax_sh
        radial_width = self.apart * RADIAL_BASIS + count_pair_scalars(signature.inputs, "nequip")
        muls_in, muls_out = (count_irreps(t, spec) for t in (signature.inputs, signature.outputs))
        muls_in[SCALAR] = sum(muls_in.values())
        self.irreps = spec.irreps
        ins, outs = ({i for i, r in enumerate(self.irreps) if m[r]} for m in (muls_in, muls_out))
        used = find_used(spec, ins | {0}, outs, depth)  # 0e at least has a bias
        self.embed, self.readout = nn.ModuleList(), nn.ModuleList()
        for index, irrep in enumerate(self.irreps):
            width_in, width_out = (spec.channels * (index in ls) for ls in (used[0], used[-1]))
            self.embed.append(linear(muls_in[irrep], width_in, bias=irrep == SCALAR))
            self.readout.append(linear(width_out, muls_out[irrep], bias=irrep == SCALAR))
        self.layers = nn.ModuleList(
            Layer(spec, *pair, radial_width, backend) for pair in pairwise(used)
        )

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        x = coordinates(inputs, types, centre)
        few = self.reach == Reach() and x.shape[1] <= FEW and BATCH not in inputs
        edges = (find_edges if few else find_all_edges)(inputs, types, x, *self.reach)
        geometry = Geometry(edges, spherical_harmonics(edges.vectors, self.lmax_sh), {})
        lengths = edges.lengths()
        radial = edges.append_features(radial_basis(lengths) if self.apart else lengths[..., :0])
        h = self.encode(inputs, centre)
        for layer in self.layers:
            geometry = layer.backend.prepare(geometry)
            h = layer(h, radial, geometry)
        outputs = zip(self.irreps, self.readout, h, strict=True)
        values = {irrep: readout(x) for irrep, readout, x in outputs}
        return join_by_irrep(inputs, values, self.signature)

    def encode(self, inputs: Fields, centre: Tensor) -> list[Tensor]:
        """Return features by irrep; the lengths of all that turns or flips count among 0e."""
        parts = split_by_irrep(inputs, self.signature.inputs, centre)
        lengths = [x.norm(dim=2, keepdim=True) for irrep, x in parts.items() if irrep != SCALAR]
        batch, n = block_shape(inputs)
        scalars = [parts[SCALAR]] if SCALAR in parts else []
        nothing = [] if parts else [centre.new_zeros(batch, n, 1, 0)]
        parts[SCALAR] = torch.cat([*scalars, *lengths, *nothing], -1)
        empty = {(l, p): parts[SCALAR].new_zeros(batch, n, 2 * l + 1, 0) for l, p in self.irreps}
        filled = empty | parts
        return [embed(filled[irrep]) for irrep, embed in zip(self.irreps, self.embed, strict=True)]
