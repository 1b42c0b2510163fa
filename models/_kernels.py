"""Channelwise tensor products of neighbours' features with harmonics, a rung for each library.

All rungs compute, for each path from kind a over harmonics of degree b to kind c, the mean over
the neighbours j of w_ij sqrt(2 c + 1) CG(h_j, Y_ij), with a weight w for each path and channel.
Features are a list by kind (l, parity), each (batch, n, 2 l + 1, channels).
"""

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from itertools import product
from types import ModuleType
from typing import NamedTuple

import torch
from e3nn import o3
from torch import Tensor, nn

from models._pairs import Pairs

Kind = tuple[int, int]
Product = Callable[[Tensor, Tensor, Tensor], Tensor]
LIBRARIES = {"cuequivariance": "cuequivariance_torch", "openequivariance": "openequivariance"}


class Problem:
    """What is to be multiplied: the kinds of features, their channels, and the paths there are."""

    def __init__(self, degree: int, channels: int) -> None:
        self.degree, self.channels = degree, channels
        self.kinds: list[Kind] = list(product(range(degree + 1), (1, -1)))

    @cached_property
    def paths(self) -> list[tuple[int, int, int]]:
        """Index of the kind heard, degree of the harmonics, index of the kind that results."""
        triples = product(enumerate(self.kinds), range(self.degree + 1), enumerate(self.kinds))
        return [
            (i, b, j)
            for (i, (a, p)), b, (j, (c, q)) in triples
            if abs(a - b) <= c <= a + b and q == p * (-1) ** b
        ]

    def table(self, a: int, b: int, c: int) -> Tensor:
        """The coefficients of three degrees in float64, (2 a + 1, 2 b + 1, 2 c + 1)."""
        return (2 * c + 1) ** 0.5 * o3.wigner_3j(a, b, c, dtype=torch.float64)

    def triples(self) -> list[tuple[int, int, int]]:
        """The degrees of each path."""
        return [(self.kinds[i][0], b, self.kinds[j][0]) for i, b, j in self.paths]


def kernel(name: str, problem: Problem) -> nn.Module:
    """The rung of that name; `ValueError` where there is none or its library is not installed."""
    rungs = {"own": Own, "e3nn": _e3nn, "cuequivariance": _cue, "openequivariance": _oeq}
    if name not in rungs:
        raise ValueError(f"no kernel {name!r}; there are {', '.join(rungs)}")
    return rungs[name](problem)


class Own(nn.Module):
    """Dense: the matrices of all pairs of an object, times weighed features, sum over pairs too."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem, self.triples = problem, problem.triples()
        for a, b, c in set(self.triples):
            table = problem.table(a, b, c).transpose(0, 1).flatten(1)
            self.register_buffer(f"table{a}{b}{c}", table, persistent=False)

    def edges(self, pairs: Pairs, harmonics: Tensor) -> "Matrices":
        harmonics, found = pairs.share * harmonics, {}
        for a, b, c in sorted(set(self.triples)):
            table = self.get_buffer(f"table{a}{b}{c}").to(harmonics)
            matrix = harmonics[..., b * b : (b + 1) ** 2] @ table
            found[a, b, c] = matrix.unflatten(-1, (2 * a + 1, -1)).flatten(2, 3).mT
        return Matrices(pairs, found)

    def forward(self, h: list[Tensor], weights: Tensor, edges: "Matrices") -> list[Tensor]:
        heard = [edges.pairs.sent(x.flatten(2)).unflatten(-1, x.shape[2:]) for x in h]
        weights = weights.unsqueeze(3).split(self.problem.channels, -1)
        return [
            edges.matrices[triple] @ (weight * heard[i]).flatten(2, 3)
            for (i, _, _), triple, weight in zip(
                self.problem.paths, self.triples, weights, strict=True
            )
        ]


class Matrices(NamedTuple):
    """Of each three degrees a matrix for each object, (batch, n, 2 c + 1, k (2 a + 1))."""

    pairs: Pairs
    matrices: dict[tuple[int, int, int], Tensor]


class Flat(nn.Module):
    """A library's product for lists of pairs; its constants are none of the network's weights."""

    def __init__(self, problem: Problem, product: Product, channels_last: bool = True) -> None:
        super().__init__()
        self.problem, self.product, self.channels_last = problem, (product,), channels_last

    def _apply(self, fn: Callable, *args: bool) -> nn.Module:
        self.product[0]._apply(fn, *args)  # a tuple hides it from `state_dict`, and from `to`
        return super()._apply(fn, *args)

    def edges(self, pairs: Pairs, harmonics: Tensor) -> tuple[Pairs, Tensor]:
        return pairs, harmonics

    def forward(
        self, h: list[Tensor], weights: Tensor, edges: tuple[Pairs, Tensor]
    ) -> list[Tensor]:
        pairs, harmonics = edges
        x = torch.cat([(x if self.channels_last else x.mT).flatten(2) for x in h], -1)
        heard = pairs.sent(x).expand(*weights.shape[:3], -1)
        made = self.product[0](*(x.flatten(0, 2) for x in (heard, harmonics, weights)))
        share = pairs.share.mT.expand(len(x), -1, -1, -1)
        made = (share @ made.unflatten(0, weights.shape[:3])).squeeze(2)
        sizes, channels = [2 * c + 1 for _, _, c in self.problem.triples()], self.problem.channels
        parts = made.split([size * channels for size in sizes], -1)
        if self.channels_last:
            return [part.unflatten(-1, (-1, channels)) for part in parts]
        return [part.unflatten(-1, (channels, -1)).mT for part in parts]


def _e3nn(problem: Problem) -> Flat:
    irreps, harmonics, results, paths = _described(problem)
    arguments = {"shared_weights": False, "internal_weights": False}
    return Flat(problem, o3.TensorProduct(irreps, harmonics, results, paths, **arguments), False)


def _oeq(problem: Problem) -> Flat:
    oeq = _library("openequivariance")
    if not torch.cuda.is_available():
        raise ValueError("kernel 'openequivariance' runs on a GPU, and there is none")
    irreps, harmonics, results, paths = _described(problem)
    arguments = {"shared_weights": False, "internal_weights": False, "layout": "ir_mul"}
    irreps = [oeq.Irreps(str(x)) for x in (irreps, harmonics, results)]
    return Flat(problem, oeq.TensorProduct(oeq.TPProblem(*irreps, paths, **arguments)))


def _described(problem: Problem) -> tuple[o3.Irreps, o3.Irreps, o3.Irreps, list[tuple]]:
    """Irreps and instructions as e3nn writes them: a result of its own for each path."""
    irreps = o3.Irreps([(problem.channels, kind) for kind in problem.kinds])
    harmonics = o3.Irreps.spherical_harmonics(problem.degree)
    results = o3.Irreps([irreps[j] for _, _, j in problem.paths])
    paths = [(i, b, which, "uvu", True) for which, (i, b, _) in enumerate(problem.paths)]
    return irreps, harmonics, results, paths


def _cue(problem: Problem) -> Flat:
    library, cue = _library("cuequivariance"), import_module("cuequivariance")
    product = cue.SegmentedTensorProduct.from_subscripts("u,iu,j,ku+ijk")
    for degree, _ in problem.kinds:
        product.add_segment(1, (2 * degree + 1, problem.channels))
    for degree in range(problem.degree + 1):
        product.add_segment(2, (2 * degree + 1,))
    for which, (path, triple) in enumerate(zip(problem.paths, problem.triples(), strict=True)):
        product.add_segment(0, (problem.channels,))
        product.add_segment(3, (2 * triple[2] + 1, problem.channels))
        product.add_path(which, *path[:2], which, c=problem.table(*triple).numpy())
    polynomial = cue.SegmentedPolynomial.eval_last_operand(product)
    method = "uniform_1d" if torch.cuda.is_available() else "naive"
    return Flat(problem, Cue(library.SegmentedPolynomial(polynomial, method=method)))


class Cue(nn.Module):
    """The order of arguments of the other libraries for cuequivariance."""

    def __init__(self, polynomial: nn.Module) -> None:
        super().__init__()
        self.polynomial = polynomial

    def forward(self, x: Tensor, harmonics: Tensor, weights: Tensor) -> Tensor:
        return self.polynomial([weights, x, harmonics])[0]


def _library(name: str) -> ModuleType:
    try:
        return import_module(LIBRARIES[name])
    except ImportError:
        raise ValueError(f"kernel {name!r} needs `pip install 'remul[kernels]'`") from None


def harmonics(x: Tensor, degree: int) -> Tensor:
    """Spherical harmonics of the directions x, (..., (degree + 1)^2); 1, 0, 0, ... at x = 0."""
    unit = x / (x.square().sum(-1, keepdim=True) + 1e-12).sqrt()
    degrees = list(range(degree + 1))
    return o3.spherical_harmonics(degrees, unit, False, normalization="component")
