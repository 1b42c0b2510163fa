"""Channelwise tensor products of neighbours' features with harmonics, a rung for each library.

All rungs compute, for each path from kind a over harmonics of degree b to kind c, the mean over
the neighbours j of w_ij sqrt(2 c + 1) CG(h_j, Y_ij), with a weight w for each path and channel.
Features are a list by kind (l, parity), each (batch, n, 2 l + 1, channels).
"""

from collections.abc import Callable
from importlib import import_module
from itertools import product
from types import ModuleType

import torch
from e3nn import o3
from torch import Tensor, nn

from models.layers.neighbours import Pairs

Kind = tuple[int, int]
Product = Callable[[Tensor, Tensor, Tensor], Tensor]
LIBRARIES = {"cuequivariance": "cuequivariance_torch", "openequivariance": "openequivariance"}


class Problem:
    """What is to be multiplied: the kinds of features, their channels, and the paths there are.

    `triples` are the degrees heard, of the harmonics and resulting. Each is a path of both
    parities: index of the kind heard, degree of the harmonics, index of the kind that results.
    """

    def __init__(self, degree: int, channels: int) -> None:
        self.degree, self.channels = degree, channels
        self.kinds: list[Kind] = list(product(range(degree + 1), (1, -1)))
        self.triples = [
            (a, b, c)
            for a, b, c in product(range(degree + 1), repeat=3)
            if abs(a - b) <= c <= a + b
        ]
        self.paths = [
            (2 * a + odd, b, 2 * c + (odd + b) % 2) for a, b, c in self.triples for odd in (0, 1)
        ]

    def table(self, a: int, b: int, c: int) -> Tensor:
        """The coefficients of three degrees in float64, (2 a + 1, 2 b + 1, 2 c + 1)."""
        return (2 * c + 1) ** 0.5 * o3.wigner_3j(a, b, c, dtype=torch.float64)


def kernel(name: str, problem: Problem) -> nn.Module:
    """The rung of that name; `ValueError` where there is none or its library is not installed."""
    rungs = {"own": Own, "e3nn": _e3nn, "cuequivariance": _cue, "openequivariance": _oeq}
    if name not in rungs:
        raise ValueError(f"no kernel {name!r}; there are {', '.join(rungs)}")
    return rungs[name](problem)


class Own(nn.Module):
    """Dense: for each object one product of matrices sums over components and neighbours.

    Both parities of a degree share their matrices and stand side by side as channels.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
        for which, triple in enumerate(problem.triples):
            table = problem.table(*triple).transpose(0, 1).flatten(1)
            self.register_buffer(f"table{which}", table, persistent=False)

    def edges(self, pairs: Pairs, harmonics: Tensor) -> tuple[Pairs, list[Tensor]]:
        """For each three degrees the matrices of all objects, (batch, n, 2 c + 1, k (2 a + 1))."""
        harmonics, found = pairs.share * harmonics, []
        for which, (a, b, _) in enumerate(self.problem.triples):
            table = self.get_buffer(f"table{which}").to(harmonics)
            matrix = harmonics[..., b * b : (b + 1) ** 2] @ table
            found.append(matrix.unflatten(-1, (2 * a + 1, -1)).flatten(2, 3).mT)
        return pairs, found

    def forward(
        self, h: list[Tensor], weights: Tensor, edges: tuple[Pairs, list[Tensor]]
    ) -> list[Tensor]:
        pairs, matrices = edges
        both = [torch.cat(found, -1) for found in zip(h[::2], h[1::2], strict=True)]
        heard = [pairs.sent(x.flatten(2)).unflatten(-1, x.shape[2:]) for x in both]
        weights = weights.unsqueeze(3).split(2 * self.problem.channels, -1)
        found = [
            matrix @ (weight * heard[a]).flatten(2, 3)
            for matrix, weight, (a, _, _) in zip(
                matrices, weights, self.problem.triples, strict=True
            )
        ]
        return [half for x in found for half in x.chunk(2, -1)]


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
        kinds, channels = self.problem.kinds, self.problem.channels
        sizes = [2 * kinds[j][0] + 1 for _, _, j in self.problem.paths]
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
    for which, (i, b, j) in enumerate(problem.paths):
        a, c = problem.kinds[i][0], problem.kinds[j][0]
        product.add_segment(0, (problem.channels,))
        product.add_segment(3, (2 * c + 1, problem.channels))
        product.add_path(which, i, b, which, c=problem.table(a, b, c).numpy())
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
        extra = name if name == "openequivariance" else "kernels"
        raise ValueError(f"kernel {name!r} needs `pip install 'remul[{extra}]'`") from None


def harmonics(x: Tensor, degree: int) -> Tensor:
    """Spherical harmonics of the directions x, (..., (degree + 1)^2); 1, 0, 0, ... at x = 0."""
    unit = x / (x.square().sum(-1, keepdim=True) + 1e-12).sqrt()
    degrees = list(range(degree + 1))
    return o3.spherical_harmonics(degrees, unit, False, normalization="component")
