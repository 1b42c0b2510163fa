"""What generates the turns of a Lie derivative: an axis, or any element by its angle."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from remul.elements import Element, GroupElement, MatrixElement
from remul.fields import UNTYPED, Fields, Rep, Types
from remul.rotations import AXES, EXACT, SAME, rotation_about_axis

Generator = str | Callable[[Tensor], GroupElement]


def list_generators(generators: Generator | Iterable[Generator]) -> list[Generator]:
    """Return one generator or several as a list; `ValueError` for none, and for anything else."""
    if isinstance(generators, Iterable) and not callable(generators):
        listed: list[Generator] = list(generators)
    else:
        listed = [generators]
    if not listed:
        raise ValueError("a Lie derivative needs at least one generator; there are x, y, z")
    return [_check(generator) for generator in listed]


def rotate(generator: Generator, angle: Tensor) -> GroupElement:
    """Return the elements at some angles, (batch,); `ValueError` for another generator."""
    generator = _check(generator)
    if isinstance(generator, str):
        return Element(rotation_about_axis(generator, angle), angle.new_zeros(len(angle), 3))
    return generator(angle)


def put_to_rest(inputs: Fields, types: Types, generator: Generator) -> Fields:
    """Return the inputs with all but their invariant components set to zero."""
    g = rotate(generator, torch.ones(1, **EXACT))
    return {
        name: x if name in UNTYPED else torch.where(_find_still(types[name], g).to(x.device), x, 0)
        for name, x in inputs.items()
    }


def _check(generator: Generator) -> Generator:
    if callable(generator) or (isinstance(generator, str) and generator in AXES):
        return generator
    name = repr(generator) if isinstance(generator, str) else f"of type {type(generator).__name__}"
    raise ValueError(f"no generator {name}; there are x, y, z and functions of an angle")


def _find_still(rep: Rep, g: GroupElement) -> Tensor:  # (dim,)
    """Return which components are invariant: all where a group of matrices has no such space."""
    if not isinstance(g, MatrixElement):
        kinds = [kind[1:] for kind in rep.chunks for _ in range(kind[0] * (2 * kind[1] + 1))]
        return torch.tensor([kind == (0, 1) for kind in kinds], device="cpu")
    matrix = g.matrices.get(rep.space)
    if matrix is None or matrix.shape[-1] != rep.dim:  # which `transform` refuses, if it is one
        return torch.ones(rep.dim, dtype=torch.bool, device="cpu")
    moves = ((matrix - torch.eye(rep.dim, **EXACT)).abs() > SAME).any(0)
    return ~(moves.any(0) | moves.any(1))
