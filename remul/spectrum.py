"""The error spectrum: over which degrees of SO(3) the violation of a model is spread."""

from collections.abc import Iterator

import torch
from torch import Tensor

from remul.actions import transform, wigner
from remul.checks import check_inputs, predict
from remul.elements import Element
from remul.fields import Fields, Model, Signature
from remul.layouts import join, layout_of
from remul.metrics import flatten
from remul.rotations import EXACT, rotation_about_axis

CHUNK = 128  # rotations that go through the model together


def error_spectrum(
    model: Model, inputs: Fields, signature: Signature, l_max: int
) -> Tensor:  # (batch, l_max + 1)
    """Return the energy of F(g) = rho(g)^-1 f(g x) in the Wigner matrices of each degree.

    F(g) = sum_l (2 l + 1) C_l : D^l(g) with C_l the mean of F D^l over SO(3); the energy is
    (2 l + 1) |C_l|^2. Degree 0 is the exactly equivariant part; a preferred axis shows in low
    degrees, noise in high ones. The energies sum to the mean of |f(g x)|^2 over the group if F has
    no degree above `l_max`; higher ones alias.

    Args:
        model: f, called on (l_max + 1)(2 l_max + 1)^2 rotations of the inputs.
        inputs: x.
        signature: The types of inputs and outputs.
        l_max: The highest degree.

    Returns:
        `(batch, l_max + 1)`, in squared units of the output: in float32 outputs below 1e-22 have
        none, above 1e19 no finite one.

    Raises:
        ValueError: As `equivariance_error`, and for an `l_max` below 0.

    Example:
        >>> energies = error_spectrum(exact, inputs, signature, l_max=1)
        >>> energies[:, 1].max() < 1e-12
        tensor(True)
    """
    if not isinstance(l_max, int) or l_max < 0:
        raise ValueError(f"l_max needs to be whole, 0 or more, got {l_max!r}")
    check_inputs(inputs, signature.inputs)
    sums = [torch.zeros((), **EXACT)] * (l_max + 1)
    for rotation, weight in _grid(l_max):
        pulled = _pull_back(model, inputs, signature, rotation)  # (chunk, batch, components)
        pulled = pulled * weight.to(pulled)[:, None, None]
        for degree in range(l_max + 1):
            block = wigner(degree, rotation).to(pulled)
            with torch.autocast(pulled.device.type, enabled=False):
                sums[degree] = sums[degree] + torch.einsum("gbc,gmn->bcmn", pulled, block)
    energies = [c.square().sum((1, 2, 3)) * (2 * degree + 1) for degree, c in enumerate(sums)]
    return torch.stack(energies, -1)


def _grid(l_max: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Return rotations and weights of a mean over SO(3), exact to degree 2 `l_max`, in chunks.

    Angles are those of zyz; a mean over the outer two is one over equal steps.
    """
    turns = torch.arange(2 * l_max + 1, **EXACT) * (2 * torch.pi / (2 * l_max + 1))
    heights, weights = _gauss_legendre(l_max + 1)
    third, tilt, first = (
        x.flatten() for x in torch.meshgrid(turns, heights.acos(), turns, indexing="ij")
    )
    rotations = (
        rotation_about_axis("z", third)
        @ rotation_about_axis("y", tilt)
        @ rotation_about_axis("z", first)
    )
    weights = weights.repeat_interleave(len(turns)).repeat(len(turns)) / len(turns) ** 2
    return zip(rotations.split(CHUNK), weights.split(CHUNK), strict=True)


def _gauss_legendre(count: int) -> tuple[Tensor, Tensor]:
    """Return nodes in (-1, 1) and weights that sum to 1 (Golub and Welsch 1969)."""
    k = torch.arange(1, count, **EXACT)
    off = torch.diag(k / (4 * k * k - 1).sqrt(), 1)
    nodes, vectors = torch.linalg.eigh(off + off.mT)
    return nodes, vectors[0].square()


def _pull_back(model: Model, inputs: Fields, signature: Signature, rotation: Tensor) -> Tensor:
    """Return rho(g)^-1 f(g x) of every sample and rotation, (rotations, batch, components)."""
    tiled, types = join([inputs] * len(rotation)), signature.outputs
    layout = layout_of(tiled)
    size = layout.size // len(rotation)
    g = Element(rotation.repeat_interleave(size, 0), rotation.new_zeros(layout.size, 3))
    output = predict(model, transform(g, tiled, signature.inputs, layout), types)
    back = flatten(transform(g.inverse(), output, types, layout), types, layout)
    return back.unflatten(0, (-1, size))
