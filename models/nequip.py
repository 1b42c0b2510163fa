"""NequIP's convolution: tensor products of all parities, a learned radial weight for each path.

Exact for E(3), over all pairs or the nearest neighbours. The products run on any rung of
`tensor_product_backends`; all of them compute the same function of the same weights.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.layers.fields import (
    centroid,
    check_points,
    coordinates,
    count_pair_scalars,
    join_by_l,
    object_fields,
    origins,
    pack,
    split_irreps,
)
from models.layers.mlp import linear, mlp
from models.layers.neighbours import heard
from models.layers.tensor_product_backends import Kind, Problem, harmonics, kernel
from models.layers.tensor_products import RADII, radial
from remul.fields import Fields, Signature, Types

EQUIVARIANT = True
PAPER = {"channels": 32, "layers": 4, "degree": 1}


def build(
    signature: Signature,
    channels: int = 16,
    layers: int = 2,
    degree: int = 1,
    neighbours: int | None = None,
    kernel: str = "own",
) -> "NequIP":
    """NequIP (Batzner et al. 2022) with gates, without its chemistry.

    A layer is W h_i + sum over paths of V mean_j R(d_ij) CG(U h_j, Y_ij), then SiLU for 0e, tanh
    for 0o and sigmoid gates for the rest. R has a value for each path and channel; it takes a
    log-spaced basis, 0.01 to 100 in the units of the points, and the scalars of the pair. There
    are `channels` features of each l up to `degree` in both parities; `PAPER` is the full
    configuration of the authors' repository. Over all pairs, or the nearest `neighbours`. `kernel`
    says what computes the products: own, e3nn, cuequivariance or openequivariance; e3nn makes its
    tables in torch's default dtype. Takes irreps up to `degree`, and 0e of pairs; fields are
    (batch, n, dim). Raises `ValueError` for others, and for a kernel that is unknown or not
    installed.
    """
    return NequIP(signature, Problem(degree, channels), layers, neighbours, kernel)


def count(types: Types, problem: Problem) -> dict[Kind, int]:
    """How many irreps of each kind the fields hold; `ValueError` for a degree too high."""
    found = dict.fromkeys(problem.kinds, 0)
    for name, rep in object_fields(types).items():
        for mul, *kind in rep.chunks:
            if tuple(kind) not in found:
                allowed = f"irreps up to l = {problem.degree}"
                raise ValueError(f"nequip takes {allowed}; field {name!r} is {rep.irreps!r}")
            found[tuple(kind)] += mul
    return found


def split(inputs: Fields, types: Types, centre: Tensor) -> dict[Kind, Tensor]:
    """All irreps of one kind side by side, (batch, n, 2 l + 1, copies), by kind."""
    parts = {}
    for part, mul, *kind in split_irreps(pack(inputs, types, centre), types):
        parts.setdefault(tuple(kind), []).append(part.unflatten(-1, (mul, -1)).mT)
    return {kind: torch.cat(found, -1) for kind, found in parts.items()}


def join(inputs: Fields, values: dict[Kind, Tensor], signature: Signature) -> Fields:
    """The inverse of `split`, (batch, n, 2 l + 1, copies) by kind to the output fields."""
    queues = {kind: list(x.unbind(-1)) for kind, x in values.items()}
    degrees = {degree: [] for degree, _ in values}
    for rep in signature.outputs.values():
        for mul, degree, parity in rep.chunks:
            degrees[degree] += [queues[degree, parity].pop(0) for _ in range(mul)]
    stacked = {degree: torch.stack(found, 2) for degree, found in degrees.items() if found}
    return join_by_l(inputs, stacked, signature.outputs, origins(inputs, signature))


class Layer(nn.Module):
    def __init__(self, problem: Problem, known: int) -> None:
        super().__init__()
        kinds, channels = problem.kinds, problem.channels
        self.into = [
            [k for k, path in enumerate(problem.paths) if path[2] == j] for j in range(len(kinds))
        ]
        widths = [channels * (len(kinds) - 1 if kind == (0, 1) else 1) for kind in kinds]
        self.radial = nn.Sequential(
            mlp(known, 2 * RADII, activate_last=True),
            nn.Linear(2 * RADII, len(problem.paths) * channels, bias=False),
        )
        self.send = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in kinds)
        self.mix = nn.ModuleList(
            nn.Linear(channels * (len(paths) + 1), width, bias=kind == (0, 1))
            for paths, width, kind in zip(self.into, widths, kinds, strict=True)
        )

    def forward(
        self, h: list[Tensor], known: Tensor, kernel: nn.Module, edges: tuple
    ) -> list[Tensor]:
        sent = [send(x) for send, x in zip(self.send, h, strict=True)]
        found = kernel(sent, self.radial(known), edges)
        return gated(
            [
                mix(torch.cat([x, *(found[k] for k in paths)], -1))
                for mix, x, paths in zip(self.mix, h, self.into, strict=True)
            ]
        )


def gated(x: list[Tensor]) -> list[Tensor]:
    """Nonlinearities of 0e, 0o and all others, whose gates stand behind the scalars."""
    first, *gates = x[0].chunk(len(x) - 1, -1)
    rest = [gate.sigmoid() * y for gate, y in zip(gates, x[2:], strict=True)]
    return [silu(first), x[1].tanh(), *rest]


class NequIP(nn.Module):
    def __init__(
        self,
        signature: Signature,
        problem: Problem,
        depth: int,
        neighbours: int | None,
        rung: str,
    ) -> None:
        super().__init__()
        self.signature, self.degree, self.neighbours = signature, problem.degree, neighbours
        check_points(signature, "nequip")
        known = RADII + count_pair_scalars(signature.inputs, "nequip")
        inputs, outputs = (count(t, problem) for t in (signature.inputs, signature.outputs))
        inputs[0, 1] = sum(inputs.values())
        self.kernel, self.kinds = kernel(rung, problem), problem.kinds
        self.embed, self.readout = nn.ModuleList(), nn.ModuleList()
        for kind in self.kinds:
            self.embed.append(linear(inputs[kind], problem.channels, bias=kind == (0, 1)))
            self.readout.append(linear(problem.channels, outputs[kind], bias=kind == (0, 1)))
        self.layers = nn.ModuleList(Layer(problem, known) for _ in range(depth))

    def forward(self, inputs: Fields) -> Fields:
        types = self.signature.inputs
        centre = centroid(inputs, types)
        pairs = heard(inputs, types, coordinates(inputs, types, centre), self.neighbours)
        edges = self.kernel.edges(pairs, harmonics(pairs.apart, self.degree))
        distance = (pairs.apart.square().sum(-1, keepdim=True) + 1e-12).sqrt()
        known = [radial(distance)] + ([] if pairs.features is None else [pairs.features])
        known, h = torch.cat(known, -1), self.read(inputs, centre)
        for layer in self.layers:
            h = layer(h, known, self.kernel, edges)
        values = {kind: x(y) for kind, x, y in zip(self.kinds, self.readout, h, strict=True)}
        return join(inputs, values, self.signature)

    def read(self, inputs: Fields, centre: Tensor) -> list[Tensor]:
        """Features by kind; the lengths of all that turns or flips count among the scalars."""
        parts = split(inputs, self.signature.inputs, centre)
        lengths = [x.norm(dim=2, keepdim=True) for kind, x in parts.items() if kind != (0, 1)]
        some = next(iter(parts.values()))
        scalars = [parts[0, 1]] if (0, 1) in parts else []
        parts[0, 1] = torch.cat([*scalars, *lengths], -1)
        nothing = {kind: some.new_zeros(*some.shape[:2], 2 * kind[0] + 1, 0) for kind in self.kinds}
        return [
            embed((nothing | parts)[kind])
            for kind, embed in zip(self.kinds, self.embed, strict=True)
        ]
