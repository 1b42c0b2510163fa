"""How a loss curves around the weights: the Hessian's largest eigenvalue and its trace."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

CLOSE = 1e-3  # relative change of the eigenvalue at which the iteration ends


class Curvature(NamedTuple):
    """What is known of the Hessian of a loss.

    Args:
        largest: The eigenvalue of largest size, with its sign.
        trace: The sum of all eigenvalues.

    Example:
        >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> largest, trace = curvature((3 * w[0] ** 2 + w[1] ** 2) / 2, [w], generator)
    """

    largest: Tensor
    trace: Tensor


def curvature(
    loss: Tensor,
    weights: Iterable[Tensor],
    generator: Generator,
    iterations: int = 50,
    probes: int = 30,
) -> Curvature:
    """Return the largest eigenvalue and the trace of the Hessian, from its products alone.

    By power iteration, and by Hutchinson's estimate with random signs, whose error falls with the
    root of the number of probes. Loss surfaces along two directions miss most of both.

    Args:
        loss: A scalar, whose graph is kept.
        weights: What it is differentiated by.
        generator: Of vectors to begin with, on the CPU.
        iterations: The most products for the eigenvalue; it ends where that stays within 0.1 %.
        probes: Products for the trace.

    Returns:
        Both, scalars in units of the loss over squared weights.

    Raises:
        ValueError: Without weights, and for fewer iterations or probes than 1.

    Example:
        >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> found = curvature((3 * w[0] ** 2 + w[1] ** 2) / 2, [w], generator)
        >>> found.largest.round(decimals=2), found.trace.round(decimals=2)
        (tensor(3.), tensor(4.))
    """
    weights = list(weights)
    if not weights or iterations < 1 or probes < 1:
        raise ValueError(
            "curvature needs weights, an iteration and a probe, got "
            f"{len(weights)}, {iterations} and {probes}"
        )
    multiply = _differentiate_again(loss, weights)
    size = sum(weight.numel() for weight in weights)

    def draw() -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64).to(weights[0])

    signs = [draw().sign() for _ in range(probes)]
    trace = torch.stack([v @ multiply(v) for v in signs]).mean()
    return Curvature(_iterate(multiply, draw(), iterations), trace)


def _differentiate_again(loss: Tensor, weights: list[Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the product of the Hessian with a vector, as a function."""
    slopes = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
    slope = torch.cat([x.flatten() for x in slopes])

    def multiply(v: Tensor) -> Tensor:
        if not slope.requires_grad:  # of a loss that is linear
            return torch.zeros_like(v)
        columns = torch.autograd.grad(slope, weights, v, retain_graph=True, materialize_grads=True)
        return torch.cat([x.flatten() for x in columns])

    return multiply


def _iterate(multiply: Callable[[Tensor], Tensor], v: Tensor, iterations: int) -> Tensor:
    """Return the eigenvalue of largest size of a symmetric matrix, given its products."""
    tiny = torch.finfo(v.dtype).tiny
    v, value = v / v.norm(), v.new_zeros(())
    for _ in range(iterations):
        image = multiply(v)
        before, value = value, v @ image
        v = image / image.norm().clamp_min(tiny)
        if (value - before).abs() <= CLOSE * value.abs():
            break
    return value
