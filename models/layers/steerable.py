"""Steerable linear maps: tensor products with a geometric attribute, a weight on every path."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from models.layers.mlp import linear
from models.layers.tensor_products import Coupling

Path = tuple[int, int, int]  # l_in, l_out, and which of the attribute's l between them
Matrices = dict[Path, Tensor]


def steer(coupling: Coupling, attribute: Tensor) -> Matrices:
    """Return the matrix (batch, n, k, 2 l_out + 1, 2 l_in + 1) of each path, given attributes.

    These are (batch, n, k, (lmax + 1)^2).
    """
    matrices = {}
    for l_in, angular in enumerate(coupling.angular_matrices(attribute)):
        rows = angular.unflatten(2, (-1, 2 * l_in + 1)).mT  # (batch, n, k, rows, 2 l_in + 1)
        sizes = [(2 * l_out + 1) * p for l_out, p in enumerate(coupling.paths[l_in])]
        for l_out, part in enumerate(rows.split(sizes, 3)):
            for which, matrix in enumerate(part.unflatten(3, (2 * l_out + 1, -1)).unbind(4)):
                matrices[l_in, l_out, which] = matrix
    return matrices


def list_paths(coupling: Coupling, widths: list[int]) -> list[Path]:
    """Return the paths from l that have channels, in the order of their matrices."""
    return [
        (l_in, l_out, which)
        for l_in, counts in enumerate(coupling.paths)
        if widths[l_in]
        for l_out, count in enumerate(counts)
        for which in range(count)
    ]


def couple(path: Path, matrices: Matrices, x: Tensor) -> Tensor:
    """Return the matrices of one path times x, (..., 2 l + 1, channels), in the cheapest way."""
    l_in, l_out, which = path
    if l_in == l_out and which == 0:  # of the attribute's scalar, which is 1: the identity
        return x
    if l_in == 0:  # a column times a row
        return matrices[path] * x
    if l_out == 0:  # a row, an inner product with each channel
        return (matrices[path].mT * x).sum(-2, keepdim=True)
    return matrices[path] @ x


class SteerableLinear(nn.Module):
    """The steerable linear map of an attribute, from `widths_in` channels by l to `widths`.

    Where a path lowers l or keeps it, weights come after the coupling, else before: so they act on
    the fewer components.
    """

    def __init__(self, widths_in: list[int], widths: list[int], coupling: Coupling) -> None:
        super().__init__()
        paths, ls = list_paths(coupling, widths_in), range(len(widths))
        paths = [path for path in paths if widths[path[1]]]
        self.falling = [[p for p in paths if p[1] == l <= p[0]] for l in ls]
        self.rising = [[p for p in paths if p[1] == l > p[0]] for l in ls]
        self.after = nn.ModuleList(
            linear(sum(widths_in[l_in] for l_in, _, _ in falling), out, bias=l == 0)
            for l, (falling, out) in enumerate(zip(self.falling, widths, strict=True))
        )
        self.before = nn.ModuleList(
            nn.ModuleList(nn.Linear(widths_in[l], out, bias=False) for l, _, _ in rising)
            for rising, out in zip(self.rising, widths, strict=True)
        )
        self.widths_in = widths_in

    def forward(self, x: list[Tensor], matrices: Matrices) -> list[Tensor]:
        outputs = []
        for l_out, after in enumerate(self.after):
            falling = self.falling[l_out]
            parts = [couple(path, matrices, x[path[0]]) for path in falling]
            y = after(torch.cat(parts, -1) if parts else x[l_out][..., :0])
            for path, before in zip(self.rising[l_out], self.before[l_out], strict=True):
                y += couple(path, matrices, before(x[path[0]]))
            outputs.append(y)
        return outputs

    def list_blocks(self) -> Iterator[tuple[nn.Parameter, list[int]]]:
        """Yield each weight of several paths, with how many of its columns belong to each."""
        for after, falling in zip(self.after, self.falling, strict=True):
            if isinstance(after, nn.Linear):
                yield after.weight, [self.widths_in[l_in] for l_in, _, _ in falling]


def gate_widths(widths: list[int]) -> list[int]:
    """Return the channels by l of features whose scalars hold the gates of all other l."""
    return [sum(widths), *widths[1:]]


def apply_gates(x: list[Tensor]) -> list[Tensor]:
    """Return SiLU of the scalars, and all else times the sigmoid of the scalars behind them."""
    others = [y.shape[-1] for y in x[1:]]
    scalars, *gates = x[0].split([x[0].shape[-1] - sum(others), *others], -1)
    return [silu(scalars), *(gate.sigmoid() * y for gate, y in zip(gates, x[1:], strict=True))]


class Degrees(NamedTuple):
    """The l that a layer takes, those after each of its maps, the last of which it puts out."""

    taken: set[int]
    message_1: set[int]
    message_2: set[int]
    update_1: set[int]
    update_2: set[int]


class Couplings(NamedTuple):
    """Those of the attributes of edges and of objects."""

    edges: Coupling
    objects: Coupling

    def find_living(self, taken: set[int]) -> Degrees:
        """Return the l that are not zero, given those that a layer takes."""
        message_1 = self.edges.reach(taken) | set(range(self.edges.lmax_sh + 1))
        message_2 = self.edges.reach(message_1)
        update_1 = self.objects.reach(taken | message_2)
        return Degrees(taken, message_1, message_2, update_1, taken | self.objects.reach(update_1))

    def find_used(self, alive: Degrees, outputs: set[int]) -> Degrees:
        """Return those of the l alive that have an effect on the l of the layer's outputs.

        Scalars always have, where others are left: their gates.
        """
        update_1 = alive.update_1 & self.objects.reach(outputs)
        to_update = self.objects.reach(update_1 | {0})
        message_2 = alive.message_2 & to_update
        message_1 = alive.message_1 & self.edges.reach(message_2 | {0})
        taken = outputs | to_update | self.edges.reach(message_1 | {0})
        return Degrees(alive.taken & taken, message_1, message_2, update_1, outputs)

    def plan(self, ins: set[int], outs: set[int], depth: int) -> tuple[list[Degrees], set[int]]:
        """Return the l in each layer, and those of the last map, which the readout takes."""
        alive = [self.find_living(ins)]
        for _ in range(depth):
            alive.append(self.find_living(alive[-1].update_2))
        last = outs & self.objects.reach(alive[-1].taken)
        layers, used = [], alive[-1].taken & self.objects.reach(last | {0})
        for living in reversed(alive[:-1]):
            layers.append(self.find_used(living, used))
            used = layers[-1].taken
        return layers[::-1], last
