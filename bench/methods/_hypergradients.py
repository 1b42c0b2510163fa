"""Gradients through the minimum of a lower problem, by the implicit function theorem."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, jacrev

Loss = Callable[[Tensor, Tensor], Tensor]  # of upper and lower weights, each one vector
Product = Callable[[Tensor], Tensor]
DAMPING = 1e-6
TOLERANCE, CONJUGATE_STEPS = 1e-4, 30
TERMS = 20


def hypergradient(
    upper_loss: Loss, lower_loss: Loss, upper: Tensor, lower: Tensor, how: str, rate: float = 0.1
) -> Tensor:
    """Return d/da of U(a, w*(a)) with w* = argmin_w L(a, w), at w* = `lower`.

    It is d_a U - (d_a d_w L) (d_w^2 L)^-1 d_w U. The inverse is "exact", by conjugate gradients
    ("cg"), or the Neumann series rate sum_k (1 - rate H)^k ("neumann"), which converges for a
    `rate` below 2 / |H|. Raises `ValueError` for another way.
    """
    if how not in SOLVERS:
        raise ValueError(f"no solver {how!r}; there are {', '.join(SOLVERS)}")
    direct, push = grad(upper_loss, argnums=(0, 1))(upper, lower)
    slope = grad(lower_loss, argnums=1)

    def curve(v: Tensor) -> Tensor:
        return grad(lambda w: slope(upper, w) @ v)(lower)

    if how == "exact":
        v = solve_exactly(jacrev(slope, argnums=1)(upper, lower), push)
    else:
        v = SOLVERS[how](curve, push, rate)
    return direct - grad(lambda a: slope(a, lower) @ v)(upper)


def solve_exactly(matrix: Tensor, b: Tensor, _: float = 0.0) -> Tensor:
    """Return H^-1 b, with a little added to the diagonal."""
    return torch.linalg.solve(matrix + DAMPING * torch.eye(len(b)).to(matrix), b)


def solve_by_conjugate_gradients(product: Product, b: Tensor, _: float = 0.0) -> Tensor:
    """Return H^-1 b from products with H alone, to a relative residual of `TOLERANCE`."""
    x, r = torch.zeros_like(b), b.clone()
    p, square = r.clone(), r @ r
    for _step in range(CONJUGATE_STEPS):
        if square.sqrt() <= TOLERANCE * b.norm():
            break
        image = product(p)
        length = square / (p @ image)
        x, r = x + length * p, r - length * image
        square, before = r @ r, square
        p = r + square / before * p
    return x


def sum_neumann_series(product: Product, b: Tensor, rate: float) -> Tensor:
    """Return rate sum_k (1 - rate H)^k b over `TERMS` terms; without the rate it is too large."""
    term, total = b, b
    for _step in range(TERMS - 1):
        term = term - rate * product(term)
        total = total + term
    return rate * total


SOLVERS: dict[str, Callable[..., Tensor]] = {
    "exact": solve_exactly,
    "cg": solve_by_conjugate_gradients,
    "neumann": sum_neumann_series,
}
