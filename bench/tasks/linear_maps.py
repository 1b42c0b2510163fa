"""A noisy linear map, circulant or not: which symmetry have its weights?"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from bench import Task
from bench.data.maps import WEIGHTS, check_kind, draw_map, group_of, shared_weights
from bench.data.partitions import partition_distance
from bench.data.pathway_scores import pathway_scores
from remul import Batch, Rep, Signature


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
    check_kind(kind, n)
    if weights not in WEIGHTS:
        raise ValueError(f"no {weights!r} weights; there are {', '.join(WEIGHTS)}")
    if min(n, train, val, test) < 1:
        raise ValueError(f"sizes have to be at least 1, got {(n, train, val, test)}")
    generator = Generator().manual_seed(seed)
    matrix = draw_map(kind, n, generator, weights)
    splits = {}
    for name, size in {"train": train, "val": val, "test": test}.items():
        x = torch.randn(size, n, generator=generator)
        y = x @ matrix.mT + noise * torch.randn(size, n, generator=generator)
        splits[name] = Batch({"x": x}, {"y": y})
    rep = Rep(f"{n}x0e", objects=0, space="signal")
    signature = Signature({"x": rep}, {"y": rep})
    scores = _scores(matrix, shared_weights(kind, n), splits["train"])
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=group_of(kind, n))


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
