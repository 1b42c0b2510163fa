"""Linear maps whose symmetry is known: how to draw one, its group, and which weights it shares."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from remul import MatrixGroup, PlanarGroup, cyclic, quarter_turns

Draw = Callable[[int, int, Generator], Tensor]


def check_kind(kind: str, n: int) -> None:
    """Raise `ValueError` for unknown kinds of maps, and for sizes that a kind does not have."""
    if kind not in KINDS:
        raise ValueError(f"no {kind!r} map; there are {', '.join(KINDS)}")
    if n < 1:
        raise ValueError(f"n has to be at least 1, got {n}")
    if (kind == "quarter_turns" and round(n**0.5) ** 2 != n) or (kind == "planar" and n % 2):
        raise ValueError(f"n = {n} is no square grid, or no number of planar components")


def draw_map(kind: str, n: int, generator: Generator, weights: str = "normal") -> Tensor:
    """Return a matrix (n, n) of a kind, its independent weights drawn as told."""
    return KINDS[kind](n, WEIGHTS[weights], generator)


def group_of(kind: str, n: int) -> MatrixGroup | PlanarGroup:
    """Return the group that maps of a kind commute with; of those without one, shifts."""
    return GROUPS.get(kind, _ring)(n)


def shared_weights(kind: str, n: int) -> Tensor:
    """Return which weights of a kind are the same, as labels row by row."""
    return orbit_labels(group_of(kind, n)) if kind in TIED else torch.arange(n * n)


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
