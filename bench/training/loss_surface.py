"""The loss around a trained model, along random filter-normalised directions (Li et al. 2018)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.training.generators import rng
from remul import Batch, Model, curvature

Direction = dict[str, Tensor]


def measure_surface(run: Run, task: Task, model: nn.Module, method: Method) -> dict[str, Any]:
    """Return the method's loss at `run.surface` places from -1 to 1 along a line and in a plane.

    With the Hessian's largest eigenvalue and trace. The batch is the first `run.samples` of the
    training split, and every place sees the same group elements. `plane[i][j]` is at `at[i]` along
    the direction of the line and `at[j]` along another. Raises `ValueError` for a method that
    trains in its own way.
    """
    if method.train:
        raise ValueError("a loss surface needs the loss terms of a method, this one has none")
    generator = rng("scores", run.seed)
    first, second = (draw_direction(model, generator) for _ in range(2))
    batch = task.train[: run.samples]

    def loss(shifted: Model) -> float:
        terms = method.terms(shifted, batch, method.draw(batch, rng("elements", run.seed)))
        return method.penalty(terms).item()

    at = torch.linspace(-1, 1, run.surface).tolist()
    line, plane = (evaluate_around(model, loss, d, at) for d in ([first], [first, second]))
    curved = measure_curvature(run, batch, model, method, generator)
    return {"at": at, "line": line.tolist(), "plane": plane.tolist()} | curved


def measure_curvature(
    run: Run, batch: Batch, model: nn.Module, method: Method, generator: Generator
) -> dict[str, float]:
    """Return the Hessian's largest eigenvalue and trace; nothing without second derivatives."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        terms = method.terms(model, batch, method.draw(batch, rng("elements", run.seed)))
        largest, trace = curvature(method.penalty(terms), weights, generator)
    except RuntimeError:  # an operation of the network has none
        return {}
    return {"hessian_largest": largest.item(), "hessian_trace": trace.item()}


@torch.no_grad()
def evaluate_around(
    model: nn.Module, loss: Callable[[Model], float], directions: list[Direction], at: list[float]
) -> Tensor:
    """Return the loss at theta + sum_k a_k d_k for all a_k in `at`, one axis for each direction.

    The model itself is left as it is, in evaluation mode.
    """
    model.eval()
    losses = []
    for places in product(at, repeat=len(directions)):
        with _shift(model, directions, places):
            losses.append(loss(model))
    return torch.tensor(losses, dtype=torch.float64).view([len(at)] * len(directions))


def draw_direction(model: nn.Module, generator: Generator) -> Direction:
    """Return a normally distributed direction, each filter of the norm of the weight's filter.

    A filter is what makes one output: a row of the weight. Parameters with one axis or none, such
    as biases, are left out.
    """
    weights = {name: w.detach() for name, w in model.named_parameters() if w.dim() > 1}
    return {name: _filters_like(w, generator) for name, w in weights.items()}


def _filters_like(weight: Tensor, generator: Generator) -> Tensor:
    drawn = torch.randn(weight.shape, dtype=torch.float64, generator=generator).to(weight)
    axes = tuple(range(1, weight.dim()))
    norms = (torch.linalg.vector_norm(w, dim=axes, keepdim=True) for w in (weight, drawn))
    own, drawn_norm = norms
    return drawn * own / drawn_norm


@contextmanager
def _shift(
    model: nn.Module, directions: list[Direction], places: tuple[float, ...]
) -> Iterator[None]:
    """Let the weights be elsewhere as long as the context lasts."""
    weights = dict(model.named_parameters())
    before = {name: weights[name].clone() for way in directions for name in way}
    for step, way in zip(places, directions, strict=True):
        for name, d in way.items():
            weights[name].add_(step * d)
    try:
        yield
    finally:
        for name, weight in before.items():
            weights[name].copy_(weight)
