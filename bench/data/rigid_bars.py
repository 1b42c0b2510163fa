"""Rigid bars between bodies of unit mass in a simulation: the tensions that hold their lengths.

Bodies are (3, bodies, samples), bars (3, bars, samples).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

ROUNDS = 2  # of Newton's method, each of which squares the error
Pairs = Sequence[Sequence[int]]


def read_bars(pairs: Pairs, bodies: int) -> Tensor:
    """Return the ends of bars, (bars, bodies): -1 and 1.

    Raises `ValueError` for anything but pairs of bodies that close no ring.
    """
    try:
        index = torch.tensor(pairs).reshape(len(pairs), 2)
        if pairs and index.is_floating_point():
            raise TypeError
        start, end = torch.nn.functional.one_hot(index.long(), bodies).double().unbind(1)
    except (IndexError, RuntimeError, TypeError, ValueError):
        raise ValueError(f"bars are pairs of {bodies} bodies, from 0 on, not {pairs}") from None
    ends = end - start
    if len(pairs) and torch.linalg.matrix_rank(ends) < len(pairs):
        raise ValueError(f"bars have to close no ring, got {pairs}")
    return ends


def list_joined(ends: Tensor) -> Tensor:
    """Return whether two bodies are joined by a bar, (bodies, bodies, 1)."""
    return (ends.mT @ ends == -1).unsqueeze(-1)


def advance(ends: Tensor, x: Tensor, v: Tensor, dt: float) -> tuple[Tensor, Tensor]:
    """Return x + dt v and v, both with tensions along the bars at x that keep their lengths.

    SHAKE (Ryckaert et al. 1977), its equations solved by Newton's method.
    """
    moved = x + dt * v
    if len(ends) == 0:
        return moved, v
    bars = ends @ x
    squared, added = bars.square().sum(0), torch.zeros_like(x)
    for _ in range(ROUNDS):
        now = ends @ (moved + added)
        added = added - pull(ends, bars, now, (now.square().sum(0) - squared) / 2)
    return moved + added, v + added / dt


def settle(ends: Tensor, x: Tensor, v: Tensor) -> Tensor:
    """Return the velocities nearest to v that stretch no bar at x."""
    if len(ends) == 0:
        return v
    bars = ends @ x
    return v - pull(ends, bars, bars, (bars * (ends @ v)).sum(0))


def pull(ends: Tensor, bars: Tensor, now: Tensor, stretch: Tensor) -> Tensor:
    """Return moves of bodies along `bars` whose products with bars as they are `now` are `stretch`.

    That is (bars, samples).
    """
    slopes = (ends @ ends.mT) * torch.einsum("cis,cjs->sij", now, bars)
    tension = torch.linalg.solve(slopes, stretch.mT).mT
    return ends.mT @ (tension * bars)
