"""Symmetry after training: wrap any model so that an average over frames makes it equivariant.

All three wrappers compute sum_k w_k g_k^-1 f(g_k x). They differ in the g_k and w_k alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from remul.actions import Element, Elements, act, listed
from remul.fields import MASK, Fields, Rep, Signature, batch_size, declared, zero_padding
from remul.losses import Model

Frames = tuple[Tensor, Tensor, Tensor, Tensor]  # of each row: sample, weight, rotation, translation

ROWS = 4096  # turned samples in one forward pass
NEAR = 0.02  # relative gap between two spreads below which principal axes lose their weight
TINY = 1e-30
FLIPS = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)


def group_average(model: Model, signature: Signature, elements: Elements) -> nn.Module:
    """The model's mean over M group elements: x -> mean_k g_k^-1 f(g_k x).

    `elements` have one entry per sample or one for all. Over the whole of a finite group, such as
    `groups.octahedral.elements()`, the mean is exactly equivariant under that group, and nearly
    so under SO(3); over random elements it is a Monte Carlo estimate. Costs M forward passes, done
    together. Raises `ValueError` without elements and as `act` does.
    """
    elements = listed(elements)
    return Symmetrised(model, signature, lambda inputs, _: _all_of(elements, inputs))


def frame_average(model: Model, signature: Signature) -> nn.Module:
    """The model's mean over the four right-handed PCA frames of each sample (Puny et al. 2022).

    The axes are those of the covariance of all 1o and 1e inputs: points from their centroid and
    each field in units of its own size, padded objects left out. The result is exactly SE(3)
    equivariant to round-off, whatever the model. As two spreads come within `NEAR` of each other
    their axes are lost; weight then moves smoothly to axes spanned by pairs of the vectors
    themselves, weighted by their area (Dym et al. 2024), four frames for each pair. So symmetric,
    planar and isotropic clouds are exact too, and the result is continuous in x.

    Where all vectors of a sample are collinear no frame is defined: outputs of degree 0 and 1 are
    still exact, since the flips average the free angle out, if no input has a degree above 1;
    other outputs are not. Costs 4 forward passes, done together, and up to 4 m (m - 1) more for
    the few nearly degenerate samples with m vectors. Differentiable in the inputs. Raises
    `ValueError` as `act` does, and without inputs of degree 1.
    """
    _check_vectors(signature)
    return Symmetrised(model, signature, _principal_frames)


def canonicalise(model: Model, signature: Signature) -> nn.Module:
    """The model in one frame of each sample: x -> g^-1 f(g x), one forward pass.

    The axes of `frame_average`, the first two pointing where the third moment of the vectors
    along them is positive, the last by the right-hand rule. Exactly SE(3) equivariant away from
    its discontinuities: it jumps where two spreads cross and where a third moment changes its
    sign, and is undefined on clouds that have such a symmetry (centrally symmetric, isotropic,
    collinear). Raises `ValueError` as `act` does, and without inputs of degree 1.
    """
    _check_vectors(signature)
    return Symmetrised(model, signature, _canonical_frame)


class Symmetrised(nn.Module):
    """A model averaged over frames that are chosen from its inputs."""

    def __init__(
        self, model: Model, signature: Signature, frames: Callable[[Fields, Signature], Frames]
    ) -> None:
        super().__init__()
        self.model, self.signature, self.frames = model, signature, frames

    def forward(self, inputs: Fields) -> Fields:
        """The weighted mean over the rows of each sample of g^-1 f(g x)."""
        total: Fields = {}
        for rows in zip(*(x.split(ROWS) for x in self.frames(inputs, self.signature)), strict=True):
            sample, weight, g = rows[0], rows[1], Element(*rows[2:])
            turned = act(g, {k: x[sample] for k, x in inputs.items()}, self.signature.inputs)
            output = declared(self.model(turned), self.signature.outputs)
            output = act(g.inverse(), output, self.signature.outputs)
            for name, y in output.items():
                share = y * weight.to(y).view(-1, *(1,) * (y.dim() - 1))
                sums = total.get(name, y.new_zeros(batch_size(inputs), *y.shape[1:]))
                total[name] = sums.index_add(0, sample, share)
        return total


def _check_vectors(signature: Signature) -> None:
    if not any(degree == 1 for rep in signature.inputs.values() for _, degree, _ in rep.chunks):
        types = ", ".join(f"{name!r} {rep.irreps}" for name, rep in signature.inputs.items())
        raise ValueError(f"frames need an input of degree 1, 1o or 1e; there are {types}")


def _all_of(elements: list[Element], inputs: Fields) -> Frames:
    size, device = batch_size(inputs), next(iter(inputs.values())).device
    for g in elements:
        if len(g) not in (1, size):
            raise ValueError(f"the inputs have {size} samples, a group element has {len(g)}")
    sample = torch.arange(size, device=device).repeat(len(elements))
    weight = torch.full_like(sample, 1 / len(elements), dtype=torch.float64)
    rotation = torch.cat([g.rotation.expand(size, 3, 3) for g in elements])
    translation = torch.cat([g.translation.expand(size, 3) for g in elements])
    return sample, weight, rotation, translation


def _principal_frames(inputs: Fields, signature: Signature) -> Frames:
    vectors, centre = _vectors(inputs, signature)
    spreads, axes = _principal_axes(vectors)
    trust = _trust(spreads)
    doubted = (trust < 1).nonzero().squeeze(1)
    which, weight, pair_axes = _pair_axes(vectors[doubted])
    sample = torch.cat([torch.arange(len(trust), device=trust.device), doubted[which]])
    weight = weight * (1 - trust)[doubted[which]]
    rest = 1 - torch.zeros_like(trust).index_add(0, doubted[which], weight)
    rotation = _right_handed(torch.cat([axes, pair_axes]))
    rotation = (FLIPS.to(rotation)[:, None, :, None] * rotation).flatten(0, 1)
    weight = torch.cat([rest, weight]) / len(FLIPS)
    return _about(centre, sample.repeat(len(FLIPS)), weight.repeat(len(FLIPS)), rotation)


def _canonical_frame(inputs: Fields, signature: Signature) -> Frames:
    vectors, centre = _vectors(inputs, signature)
    _, axes = _principal_axes(vectors)
    moments = (vectors @ axes.mT).pow(3).sum(1)  # (batch, 3)
    axes = torch.where(moments.unsqueeze(-1) < 0, -axes, axes)
    sample = torch.arange(len(axes), device=axes.device)
    return _about(centre, sample, torch.ones_like(axes[:, 0, 0]), _right_handed(axes))


def _about(centre: Tensor, sample: Tensor, weight: Tensor, rotation: Tensor) -> Frames:
    """Frames that take the centre of each sample to the origin."""
    return sample, weight, rotation, -(rotation @ centre[sample].unsqueeze(-1)).squeeze(-1)


def _principal_axes(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (batch, 3) and eigenvectors, in rows (batch, 3, 3), the largest first.

    Where two are alike their vectors, which have no derivative, are held constant.
    """
    spread = vectors.mT @ vectors
    clear = _trust(torch.linalg.eigvalsh(spread.detach()).flip(-1)) > 0
    spread = torch.where(clear[:, None, None], spread, spread.detach())
    spreads, axes = torch.linalg.eigh(spread)
    return spreads.flip(-1), axes.mT.flip(-2)


def _trust(spreads: Tensor) -> Tensor:
    """Weight of the principal axes (batch,): 1 when all spreads differ, 0 when two are alike."""
    gaps = (spreads[:, :2] - spreads[:, 1:]) / spreads[:, :2].clamp(min=TINY)
    return (2 * gaps.amin(-1) / NEAR - 1).clamp(0, 1)


def _pair_axes(vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Orthonormal axes along each v_i and v_j that span a large area: sample, weight and axes.

    Weights of a sample sum to 1. The area must exceed half of the largest one (squared), where
    the weight is zero: so it changes smoothly and no axes are ill-defined.
    """
    areas = torch.linalg.cross(vectors[:, :, None], vectors[:, None]).square().sum(-1)
    largest = areas.flatten(1).amax(1).clamp(min=TINY)[:, None, None]
    weight = (areas / largest - 0.5).clamp(min=0)  # (batch, m, m)
    weight = weight / weight.sum((1, 2), keepdim=True).clamp(min=TINY)
    sample, i, j = weight.nonzero(as_tuple=True)
    first = normalize(vectors[sample, i], dim=-1)
    second = _across(_across(vectors[sample, j], first), first)  # twice: round-off of the first
    third = torch.linalg.cross(first, second)
    return sample, weight[sample, i, j], torch.stack([first, second, third], 1)


def _across(vector: Tensor, direction: Tensor) -> Tensor:
    """The part of vectors at right angles to unit vectors, at length 1."""
    return normalize(vector - (vector * direction).sum(-1, keepdim=True) * direction, dim=-1)


def _right_handed(axes: Tensor) -> Tensor:
    handed = torch.linalg.det(axes).sign()[:, None, None]
    return torch.cat([axes[:, :2], handed * axes[:, 2:]], 1)


def _vectors(inputs: Fields, signature: Signature) -> tuple[Tensor, Tensor]:
    """What turns like a vector, (batch, m, 3), fields scaled to norm 1; the centroid (batch, 3)."""
    size, types, mask = batch_size(inputs), signature.inputs, inputs.get(MASK)
    kept = zero_padding(inputs, mask)
    fields = {name: x.double() for name, x in kept.items() if name != MASK}
    real = zero_padding({name: torch.ones_like(x) for name, x in fields.items()}, mask)
    fields = {name: _degree_one(x, types[name]) for name, x in fields.items()}
    real = {name: _degree_one(x, types[name]) for name, x in real.items()}
    none = next(iter(fields.values())).new_zeros(size, 0, 3)
    points = torch.cat([none, *(x for name, x in fields.items() if types[name].affine)], 1)
    counted = torch.cat([none, *(x for name, x in real.items() if types[name].affine)], 1)
    centre = (points * counted).sum(1) / counted.sum(1).clamp(min=1)
    vectors = [
        real[name] * (x - centre[:, None] if types[name].affine else x)
        for name, x in fields.items()
    ]
    scaled = [v / v.flatten(1).norm(dim=1).clamp(min=TINY)[:, None, None] for v in vectors]
    return torch.cat(scaled, 1), centre


def _degree_one(x: Tensor, rep: Rep) -> Tensor:
    """The components of degree 1 as vectors (batch, m, 3)."""
    parts = x.split([mul * (2 * degree + 1) for mul, degree, _ in rep.chunks], -1)
    vectors = [
        part.reshape(len(x), -1, 3)
        for part, (_, degree, _) in zip(parts, rep.chunks, strict=True)
        if degree == 1
    ]
    return torch.cat([x.new_zeros(len(x), 0, 3), *vectors], 1)
