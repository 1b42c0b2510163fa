"""A noisy linear map, circulant or not: which symmetry have its weights?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from bench import Task
from bench.data.partitions import partition_distance
from bench.data.pathway_scores import pathway_scores
from remul import Batch, MatrixGroup, PlanarGroup, Rep, Signature, cyclic, quarter_turns


def load(
    seed: int,
    n: int = 8,
    kind: str = "circulant",
    train: int = 40,
    val: int = 100,
    test: int = 1000,
    noise: float = 0.3,
    weights: str = "normal",
) -> Task:
    """y = W x + noise with x from N(0, 1)^n, and a W of some `kind`.

    It is "circulant", commutes with "quarter_turns" of a square grid of n pixels, is "planar", as
    it commutes with rotations of n / 2 vectors of the plane together, or "unstructured". A "mixed"
    one is circulant plus 0.3 of an unstructured one. Equivariance is that of the kind's own group,
    of the last two that of shifts.

    Its `weights` are from N(0, 1), or -(n - 1), ..., n - 1 in "steps" of 2, in random order.
    Scores: "excess_mse", the mean squared error against the map itself, "of_least_squares" that as
    a share of what least squares in training has; "partition_distance" of models that tell which
    weights they share; "sigma" and by path "..._dimension" and "..._precision" of models that are
    told these in training.

    Known answers. Least squares has an excess of about noise^2 n / (train - n - 1) for every
    output; who knows that W is circulant has n times less. Raises `ValueError` for other kinds and
    weights and sizes below 1.
    """
    if kind not in KINDS or weights not in WEIGHTS:
        raise ValueError(f"no {kind!r} map of {weights!r} weights; there are {', '.join(KINDS)} "
                         f"of {', '.join(WEIGHTS)}")  # fmt: skip
    if (kind == "quarter_turns" and round(n**0.5) ** 2 != n) or (kind == "planar" and n % 2):
        raise ValueError(f"n = {n} is no square grid, or no number of planar components")
    if min(n, train, val, test) < 1:
        raise ValueError(f"sizes have to be at least 1, got {(n, train, val, test)}")
    generator = Generator().manual_seed(seed)
    matrix = KINDS[kind](n, WEIGHTS[weights], generator)
    splits = {}
    for name, size in {"train": train, "val": val, "test": test}.items():
        x = torch.randn(size, n, generator=generator)
        y = x @ matrix.mT + noise * torch.randn(size, n, generator=generator)
        splits[name] = Batch({"x": x}, {"y": y})
    rep = Rep(f"{n}x0e", objects=0, space="signal")
    signature = Signature({"x": rep}, {"y": rep})
    group = GROUPS.get(kind, _ring)(n)
    labels = orbit_labels(group) if kind in TIED else torch.arange(n * n)
    scores = _scores(matrix, labels, splits["train"])
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=group)


def _scores(matrix: Tensor, shared: Tensor, train: Batch) -> dict:
    n = len(matrix)
    found = torch.linalg.lstsq(train.inputs["x"], train.targets["y"]).solution.mT

    def excess(weight: Tensor) -> float:
        return float((weight - matrix).square().sum() / n)

    def distance(model: nn.Module) -> float | None:
        return (
            partition_distance(model.partition(), shared) if hasattr(model, "partition") else None
        )

    return {
        "excess_mse": lambda model: excess(matrix_of(model, n)),
        "of_least_squares": lambda model: excess(matrix_of(model, n)) / excess(found),
        "partition_distance": distance,
        **pathway_scores("conv", "free"),
    }


def matrix_of(model: nn.Module, n: int) -> Tensor:
    """Return the matrix of a model of a linear map: what it makes of the unit vectors."""
    x = torch.cat([torch.eye(n), torch.zeros(1, n)])
    y = model({"x": x})["y"]
    return (y[:n] - y[n:]).mT


def orbit_labels(group: MatrixGroup) -> Tensor:
    """Return which weights a group of permutations makes the same, row by row."""
    order = group.matrices["signal"].argmax(-1)  # (elements, n)
    n = order.shape[1]
    places = (order[:, :, None] * n + order[:, None]).flatten(1)  # where each weight goes
    return places.amin(0).unique(return_inverse=True)[1]


def _shared(group: MatrixGroup, draw: Draw, generator: Generator) -> Tensor:
    n = group.matrices["signal"].shape[-1]
    labels = orbit_labels(group)
    return draw(int(labels.max()) + 1, n, generator)[labels].view(n, n)


def _ring(n: int) -> MatrixGroup:
    return MatrixGroup({"signal": cyclic(n)})


def _grid(n: int) -> MatrixGroup:
    return MatrixGroup({"signal": quarter_turns(round(n**0.5))})


def _plane(n: int) -> PlanarGroup:
    return PlanarGroup({"signal": (1,) * (n // 2)})


def _circulant(n: int, draw: Draw, generator: Generator) -> Tensor:
    return _shared(_ring(n), draw, generator)


def _quarter_turns(n: int, draw: Draw, generator: Generator) -> Tensor:
    return _shared(_grid(n), draw, generator)


def _planar(n: int, draw: Draw, generator: Generator) -> Tensor:
    """A complex matrix as a real one: it commutes with the rotation of all pairs together."""
    real, imaginary = draw(n * n // 2, n, generator).view(2, n // 2, n // 2)
    blocks = torch.stack([real, -imaginary, imaginary, real], -1).unflatten(-1, (2, 2))
    return blocks.transpose(1, 2).reshape(n, n)


def _unstructured(n: int, draw: Draw, generator: Generator) -> Tensor:
    return draw(n * n, n, generator).view(n, n)


def _mixed(n: int, draw: Draw, generator: Generator) -> Tensor:
    return _circulant(n, draw, generator) + 0.3 * _unstructured(n, draw, generator)


def _normal(count: int, _: int, generator: Generator) -> Tensor:
    return torch.randn(count, generator=generator)


def _steps(count: int, n: int, generator: Generator) -> Tensor:
    """The numbers -(n - 1), ..., n - 1 in steps of 2, each as often as another, in random order."""
    return (2.0 * (torch.randperm(count, generator=generator) % n) - (n - 1)).float()


Draw = Callable[[int, int, Generator], Tensor]
KINDS = {
    "circulant": _circulant,
    "quarter_turns": _quarter_turns,
    "planar": _planar,
    "unstructured": _unstructured,
    "mixed": _mixed,
}
TIED = ("circulant", "quarter_turns")  # symmetries that make weights the same
GROUPS = {"quarter_turns": _grid, "planar": _plane}  # of the others the shifts of the ring
WEIGHTS = {"normal": _normal, "steps": _steps}
