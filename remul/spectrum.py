"""The error spectrum: over which degrees of SO(3) the violation of a model is spread."""

from collections.abc import Iterator

import torch
from torch import Tensor

from remul.actions import Element, act, wigner
from remul.fields import MASK, Fields, Signature, batch_size, check, check_numbers, declared
from remul.groups import AXES, EXACT, rotation_about
from remul.losses import Model
from remul.metrics import flat

CHUNK = 128  # rotations that go through the model together


def error_spectrum(
    model: Model, inputs: Fields, signature: Signature, l_max: int
) -> Tensor:  # (batch, l_max + 1)
    """Energy of F(g) = rho(g)^-1 f(g x) in the Wigner matrices of each degree l up to `l_max`.

    F(g) = sum_l (2 l + 1) <C_l, D^l(g)> with C_l the mean of F D^l over SO(3); the energy is
    (2 l + 1) |C_l|^2, in squared units of the output. Degree 0 is the exactly equivariant part; a
    preferred axis shows in low degrees, noise in high ones. The energies sum to the mean of
    |f(g x)|^2 over the group if F has no degree above `l_max`; higher ones alias. Costs
    (l_max + 1)(2 l_max + 1)^2 forward passes. Raises `ValueError` as `equivariance_error` does,
    and for an `l_max` below 0.
    """
    if l_max < 0:
        raise ValueError(f"l_max needs to be 0 or more, got {l_max}")
    check(inputs, signature.inputs)
    check_numbers(inputs, inputs.get(MASK))
    sums: list[Tensor | float] = [0.0] * (l_max + 1)
    for rotation, weight in _grid(l_max):
        pulled = _pulled_back(model, inputs, signature, rotation)  # (chunk, batch, components)
        pulled = pulled * weight.to(pulled)[:, None, None]
        for degree in range(l_max + 1):
            block = wigner(degree, rotation).to(pulled)
            sums[degree] = sums[degree] + torch.einsum("gbc,gmn->bcmn", pulled, block)
    energies = [c.square().sum((1, 2, 3)) * (2 * degree + 1) for degree, c in enumerate(sums)]
    return torch.stack(energies, -1)


def _grid(l_max: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rotations and weights of a mean over SO(3), exact up to degree 2 `l_max`, in chunks."""
    turns = torch.arange(2 * l_max + 1, **EXACT) * (2 * torch.pi / (2 * l_max + 1))
    heights, weights = _gauss_legendre(l_max + 1)
    third, tilt, first = (
        x.flatten() for x in torch.meshgrid(turns, heights.acos(), turns, indexing="ij")
    )
    rotations = _about("z", third) @ _about("y", tilt) @ _about("z", first)
    weights = weights.repeat_interleave(len(turns)).repeat(len(turns)) / len(turns) ** 2
    return zip(rotations.split(CHUNK), weights.split(CHUNK), strict=True)


def _gauss_legendre(count: int) -> tuple[Tensor, Tensor]:
    """Nodes in (-1, 1) and weights that sum to 1 (Golub and Welsch 1969)."""
    k = torch.arange(1, count, **EXACT)
    off = torch.diag(k / (4 * k * k - 1).sqrt(), 1)
    nodes, vectors = torch.linalg.eigh(off + off.mT)
    return nodes, vectors[0].square()


def _about(axis: str, angle: Tensor) -> Tensor:
    return rotation_about(torch.eye(3, **EXACT)[AXES[axis]].expand(len(angle), 3), angle)


def _pulled_back(model: Model, inputs: Fields, signature: Signature, rotation: Tensor) -> Tensor:
    """rho(g)^-1 f(g x) of every sample under every rotation, (rotations, batch, components)."""
    size, times = batch_size(inputs), len(rotation)
    tiled = {name: x.repeat(times, *(1,) * (x.dim() - 1)) for name, x in inputs.items()}
    g = Element(rotation.repeat_interleave(size, 0), rotation.new_zeros(times * size, 3))
    output = declared(model(act(g, tiled, signature.inputs)), signature.outputs)
    back = act(Element(g.rotation.mT, g.translation), output, signature.outputs)
    return flat(back, tiled.get(MASK)).unflatten(0, (times, size))
