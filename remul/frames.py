"""Frames of each sample, from the principal axes of its vectors: what it is turned by."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from remul.distances import norm
from remul.fields import UNTYPED, Fields, Rep, Signature
from remul.layouts import layout_of

NEAR = 0.02  # relative gap between two spreads below which principal axes lose their weight
TINY = 1e-30
FLIPS = ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))


class Frames(NamedTuple):
    """Weighted group elements, one a row: of which sample, (rows,), its weight there, R and t."""

    sample: Tensor
    weight: Tensor
    rotation: Tensor
    translation: Tensor


def principal_frames(inputs: Fields, signature: Signature) -> Frames:
    """Return the frames of `frame_average`: four of principal axes, more where those are lost."""
    vectors, centre = _centre_vectors(inputs, signature)
    spreads, axes = _principal_axes(vectors)
    trust = _trust(spreads)
    doubted = (trust < 1).nonzero().squeeze(1)
    which, weight, pair_axes = _pair_axes(vectors[doubted])
    sample = torch.cat([torch.arange(len(trust), device=trust.device), doubted[which]])
    weight = weight * (1 - trust)[doubted[which]]
    # what the pairs of a sample do not take, all of it where there is no pair, stays with its axes
    rest = 1 - torch.zeros_like(trust).index_add(0, doubted[which], weight)
    rotation = _make_right_handed(torch.cat([axes, pair_axes]))
    flips = rotation.new_tensor(FLIPS)  # (4, 3)
    rotation = (flips[:, None, :, None] * rotation).flatten(0, 1)
    weight = torch.cat([rest, weight]) / len(FLIPS)
    return _frames_about(centre, sample.repeat(len(FLIPS)), weight.repeat(len(FLIPS)), rotation)


def canonical_frame(inputs: Fields, signature: Signature) -> Frames:
    """Return the frame of `canonicalise`: the principal axes, pointing where the skew is."""
    vectors, centre = _centre_vectors(inputs, signature)
    _, axes = _principal_axes(vectors)
    moments = (vectors @ axes.mT).pow(3).sum(1)  # (batch, 3)
    axes = torch.where(moments.unsqueeze(-1) < 0, -axes, axes)
    sample = torch.arange(len(axes), device=axes.device)
    return _frames_about(centre, sample, torch.ones_like(axes[:, 0, 0]), _make_right_handed(axes))


def _frames_about(centre: Tensor, sample: Tensor, weight: Tensor, rotation: Tensor) -> Frames:
    """Return frames that take the centre of each sample to the origin."""
    translation = -(rotation @ centre[sample].unsqueeze(-1)).squeeze(-1)
    return Frames(sample, weight, rotation, translation)


def _principal_axes(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues (batch, 3) and eigenvectors, in rows (batch, 3, 3), the largest first.

    Where two are alike their vectors, which have no derivative, are held constant: so that no
    derivative of any order meets them, those that are differentiated are of another matrix there.
    """
    spread = vectors.mT @ vectors
    constant_spreads, constant_axes = torch.linalg.eigh(spread.detach())
    clear = _trust(constant_spreads.flip(-1)) > 0
    distinct = torch.arange(3.0).to(spread).diag()
    spreads, axes = torch.linalg.eigh(torch.where(clear[:, None, None], spread, distinct))
    spreads = torch.where(clear[:, None], spreads, constant_spreads)
    axes = torch.where(clear[:, None, None], axes, constant_axes)
    return spreads.flip(-1), axes.mT.flip(-2)


def _trust(spreads: Tensor) -> Tensor:
    """Return the weight of principal axes (batch,): 1 if all spreads differ, 0 if two are alike."""
    gaps = (spreads[:, :2] - spreads[:, 1:]) / spreads[:, :2].clamp(min=TINY)
    return (2 * gaps.amin(-1) / NEAR - 1).clamp(0, 1)


def _pair_axes(vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return sample, weight and orthonormal axes of each v_i and v_j that span a large area.

    Weights of a sample sum to 1. The area must exceed half of the largest one (squared), where
    the weight is zero: so it changes smoothly and no axes are ill-defined.
    """
    areas = torch.linalg.cross(vectors[:, :, None], vectors[:, None]).square().sum(-1)
    largest = areas.flatten(1).amax(1).clamp(min=TINY)[:, None, None]
    weight = (areas / largest - 0.5).clamp(min=0)  # (batch, m, m)
    weight = weight / weight.sum((1, 2), keepdim=True).clamp(min=TINY)
    sample, i, j = weight.nonzero(as_tuple=True)
    first = normalize(vectors[sample, i], dim=-1)
    second = _project_out(first, _project_out(first, vectors[sample, j]))  # again: round-off
    third = torch.linalg.cross(first, second)
    return sample, weight[sample, i, j], torch.stack([first, second, third], 1)


def _project_out(direction: Tensor, vector: Tensor) -> Tensor:
    """Return the part of vectors at right angles to unit vectors, at length 1."""
    return normalize(vector - (vector * direction).sum(-1, keepdim=True) * direction, dim=-1)


def _make_right_handed(axes: Tensor) -> Tensor:
    handed = torch.linalg.det(axes).sign()[:, None, None]
    return torch.cat([axes[:, :2], handed * axes[:, 2:]], 1)


def _centre_vectors(inputs: Fields, signature: Signature) -> tuple[Tensor, Tensor]:
    """Return what turns like a vector, (batch, m, 3), and the centroid of the points, (batch, 3).

    Points are from the centroid; each field is scaled to norm 1.
    """
    layout, types = layout_of(inputs), signature.inputs
    typed = {name: inputs[name].double() for name in inputs if name not in UNTYPED}
    fields, real = (
        {n: _degree_one_vectors(layout.pad(x, types[n].objects), types[n]) for n, x in each.items()}
        for each in (typed, {name: torch.ones_like(x) for name, x in typed.items()})
    )
    none = next(iter(fields.values())).new_zeros(layout.size, 0, 3)
    points = torch.cat([none, *(x for name, x in fields.items() if types[name].affine)], 1)
    counted = torch.cat([none, *(x for name, x in real.items() if types[name].affine)], 1)
    centre = (points * counted).sum(1) / counted.sum(1).clamp(min=1)
    vectors = [
        real[name] * (x - centre[:, None] if types[name].affine else x)
        for name, x in fields.items()
    ]
    if not any(v.shape[1] for v in vectors):
        raise ValueError("frames need at least one vector, these samples have no objects")
    return torch.cat([_scale_to_one(v) for v in vectors], 1), centre


def _scale_to_one(vectors: Tensor) -> Tensor:
    """Return the vectors of each sample (batch, m, 3) at norm 1 together, or 0 where all are 0.

    A norm has no second derivative at 0: there that of another constant is taken.
    """
    at_rest = (vectors == 0).flatten(1).all(1)[:, None, None]
    size = norm(torch.where(at_rest, 1, vectors).flatten(1))
    return vectors / size[:, None, None]


def _degree_one_vectors(x: Tensor, rep: Rep) -> Tensor:
    """Return the components of degree 1 as vectors (batch, m, 3)."""
    parts = x.split([mul * (2 * degree + 1) for mul, degree, _ in rep.chunks], -1)
    vectors = [
        part.reshape(len(x), -1, 3)
        for part, (_, degree, _) in zip(parts, rep.chunks, strict=True)
        if degree == 1
    ]
    return torch.cat([x.new_zeros(len(x), 0, 3), *vectors], 1)
