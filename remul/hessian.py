"""How a loss curves around the weights: the Hessian's largest eigenvalue and its trace."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from remul.rotations import EXACT
from remul.values import list_trained

CLOSE = 1e-3  # relative error of the eigenvalue at which the iteration ends


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
    weights: Tensor | nn.Module | Iterable[Tensor],
    generator: Generator,
    iterations: int = 50,
    probes: int = 30,
) -> Curvature:
    """Return the largest eigenvalue and the trace of the Hessian, from its products alone.

    By Lanczos iteration, whose residual bounds the error, and by Hutchinson's estimate with random
    signs, whose error falls with the root of the number of probes. Loss surfaces along two
    directions miss most of both. Of two eigenvalues a and -a, as saddles have them, one is found.

    Args:
        loss: A scalar, whose graph is kept.
        weights: What it is differentiated by: tensors, one alone, or a module for its parameters.
            Those that need no gradient are left out.
        generator: Of vectors to begin with, on the CPU.
        iterations: The most products for the eigenvalue; each keeps a vector as long as all
            weights. They end where it is within 0.1 %; at the limit its size may be too small.
        probes: Products for the trace.

    Returns:
        Both, scalars in units of the loss over squared weights.

    Raises:
        ValueError: Without weights, for other weights, and fewer iterations or probes than 1.

    Example:
        >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> found = curvature((3 * w[0] ** 2 + w[1] ** 2) / 2, [w], generator)
        >>> found.largest.round(decimals=2), found.trace.round(decimals=2)
        (tensor(3.), tensor(4.))
    """
    weights = list_trained(weights)
    if iterations < 1 or probes < 1:
        raise ValueError(
            f"curvature needs an iteration and a probe at least, got {iterations} and {probes}"
        )
    multiply = _differentiate_again(loss, weights)
    size = sum(weight.numel() for weight in weights)

    def draw() -> Tensor:
        return torch.randn(size, **EXACT, generator=generator).to(weights[0])

    signs = (draw().sign() for _ in range(probes))
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
    """Return the eigenvalue of largest size of a symmetric matrix, given its products (Lanczos).

    It ends where the residual says that there is such an eigenvalue, and a further product has
    found no larger one: what `v` holds little of shows late.
    """
    limit, tiny = min(iterations, len(v)), torch.finfo(v.dtype).tiny
    basis = v.new_empty(limit, len(v))
    matrix = torch.zeros(limit + 1, limit + 1, **EXACT)  # in that basis: three diagonals
    image, width, value = v, v.norm(), torch.zeros((), **EXACT)
    for k in range(limit):
        basis[k] = image / width.clamp_min(tiny)
        image = multiply(basis[k])
        matrix[k, k] = basis[k] @ image
        for _ in range(2):  # as one pass leaves what rounding has put back
            image = image - basis[: k + 1].mT @ (basis[: k + 1] @ image)
        matrix[k + 1, k] = width = image.norm()
        if not width.isfinite():
            return v.new_tensor(torch.nan)
        before, (value, residual) = value, _estimate(matrix, k + 1)
        change = (value.abs() - before.abs()).abs()
        if torch.maximum(residual, change) <= CLOSE * value.abs():
            break
    return value.to(v)


def _estimate(matrix: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the Ritz value of largest size, and how far it is from an eigenvalue at most."""
    values, vectors = torch.linalg.eigh(matrix[:size, :size])  # which reads the lower diagonals
    largest = values.abs().argmax()
    return values[largest], (matrix[size, size - 1] * vectors[-1, largest]).abs()
