"""Symmetry after training: wrap any model so that an average over frames makes it equivariant.

All three wrappers compute sum_k w_k g_k^-1 f(g_k x). They differ in the g_k and w_k alone.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import cast

import torch
from torch import nn

from remul.actions import check_elements, list_elements, transform
from remul.checks import check, check_signature, predict
from remul.elements import Element, MatrixElement
from remul.fields import Fields, Model, Signature
from remul.frames import Frames, canonical_frame, principal_frames
from remul.layouts import batch_size, layout_of

Averaged = Element | MatrixElement
ROWS = 4096  # turned samples in one forward pass


def group_average(
    model: Model, signature: Signature, elements: Averaged | Iterable[Averaged]
) -> nn.Module:
    """Wrap a model in its mean over M group elements: x -> mean_k g_k^-1 f(g_k x).

    Over the whole of a finite group, such as `groups.octahedral.elements()`, the mean is exactly
    equivariant under that group, and nearly so under SO(3); over random elements it is a Monte
    Carlo estimate. It costs M forward passes, done together.

    Args:
        model: f.
        signature: The types of its inputs and outputs.
        elements: The g_k, each with one entry per sample or one for all.

    Returns:
        A model of the same signature, whose parameters are those of f.

    Raises:
        ValueError: Without elements and, when called, as `act` does.

    Example:
        >>> from remul import groups
        >>> average = group_average(offset, signature, groups.octahedral.elements())
        >>> h = groups.octahedral.sample(inputs, generator)
        >>> equivariance_error(average, inputs, signature, h).max() < 1e-10
        tensor(True)
    """
    check_signature(signature)
    g = list_elements(elements)
    if all(isinstance(h, MatrixElement) for h in g):
        return OrbitMean(model, signature, cast("list[MatrixElement]", g))
    check_elements(g, (Element,))
    return Symmetrised(model, signature, partial(_repeat, cast("list[Element]", g)))


def frame_average(model: Model, signature: Signature) -> nn.Module:
    """Wrap a model in its mean over the four right-handed PCA frames (Puny et al. 2022).

    The axes are those of the covariance of all 1o and 1e inputs: points from their centroid and
    each field in units of its own size, padded objects left out. The result is exactly SE(3)
    equivariant to round-off, whatever the model, and twice differentiable. So forces belong to an
    averaged energy if they are its gradient, not if they are averaged beside it. As two spreads
    come within `frames.NEAR` of each other their axes are lost; weight then moves smoothly to axes
    spanned by pairs of the vectors themselves, weighted by their area (Dym et al. 2024), four
    frames for each pair. So symmetric, planar and isotropic clouds are exact too, and the result is
    continuous in x. Where all vectors of a sample are collinear no frame is defined: outputs of
    degree 0 and 1 are still exact, since the flips average the free angle out, if no input has a
    degree above 1; other outputs are not. It costs 4 forward passes, done together, and up to
    4 m (m - 1) more for the few nearly degenerate samples with m vectors.

    Args:
        model: f.
        signature: The types of its inputs and outputs.

    Returns:
        A model of the same signature, whose parameters are those of f.

    Raises:
        ValueError: Without inputs of degree 1 and, when called, as `act` does.

    Example:
        >>> equivariance_error(frame_average(offset, signature), inputs, signature, g).max() < 1e-10
        tensor(True)
    """
    _check_vectors(signature)
    return Symmetrised(model, signature, principal_frames)


def canonicalise(model: Model, signature: Signature) -> nn.Module:
    """Wrap a model in one frame of each sample: x -> g^-1 f(g x), for one forward pass.

    The axes of `frame_average`, the first two pointing where the third moment of the vectors along
    them is positive, the last by the right-hand rule. The result is exactly SE(3) equivariant away
    from its discontinuities: it jumps where two spreads cross and where a third moment changes its
    sign, and is undefined on clouds that have such a symmetry (centrally symmetric, isotropic,
    collinear).

    Args:
        model: f.
        signature: The types of its inputs and outputs.

    Returns:
        A model of the same signature, whose parameters are those of f.

    Raises:
        ValueError: Without inputs of degree 1 and, when called, as `act` does.

    Example:
        >>> equivariance_error(canonicalise(offset, signature), inputs, signature, g).max() < 1e-10
        tensor(True)
    """
    _check_vectors(signature)
    return Symmetrised(model, signature, canonical_frame)


class Symmetrised(nn.Module):
    """A model averaged over frames that are chosen from its inputs."""

    def __init__(
        self, model: Model, signature: Signature, frames: Callable[[Fields, Signature], Frames]
    ) -> None:
        super().__init__()
        self.model, self.signature, self.frames = model, signature, frames

    def forward(self, inputs: Fields) -> Fields:
        """Return the weighted mean over the frames of each sample of g^-1 f(g x)."""
        layout = check(inputs, types := self.signature.inputs)
        objects = {name: rep.objects for name, rep in types.items()}
        total: Fields = {}
        chunks = (x.split(ROWS) for x in self.frames(inputs, self.signature))
        for sample, weight, rotation, translation in zip(*chunks, strict=True):
            g = Element(rotation, translation)
            part = layout.take(inputs, objects, sample)
            there = layout_of(part)
            turned = transform(g, part, types, there)
            output = predict(self.model, turned, self.signature.outputs)
            back = transform(g.inverse(), output, self.signature.outputs, there)
            for name, y in back.items():
                kind = self.signature.outputs[name].objects
                share = there.spread(weight.to(y), kind).view(-1, *(1,) * (y.dim() - 1))
                sums = total.get(name, y.new_zeros(layout.count(kind), *y.shape[1:]))
                total[name] = sums.index_add(0, layout.rows(sample, kind), y * share)
        return total


class OrbitMean(nn.Module):
    """A model averaged over matrices that act on spaces, one after the other."""

    def __init__(self, model: Model, signature: Signature, elements: list[MatrixElement]) -> None:
        super().__init__()
        self.model, self.signature, self.elements = model, signature, elements

    def forward(self, inputs: Fields) -> Fields:
        """Return the mean over the elements of g^-1 f(g x)."""
        layout, types = check(inputs, self.signature.inputs), self.signature.outputs
        total: Fields = {}
        for g in self.elements:
            turned = transform(g, inputs, self.signature.inputs, layout)
            output = predict(self.model, turned, types)
            for name, y in transform(g.inverse(), output, types, layout).items():
                total[name] = total[name] + y if name in total else y
        return {name: y / len(self.elements) for name, y in total.items()}


def _check_vectors(signature: Signature) -> None:
    check_signature(signature)
    if not any(degree == 1 for rep in signature.inputs.values() for _, degree, _ in rep.chunks):
        types = ", ".join(f"{name!r} {rep.irreps}" for name, rep in signature.inputs.items())
        raise ValueError(f"frames need an input of degree 1, 1o or 1e; there are {types}")


def _repeat(elements: list[Element], inputs: Fields, _: Signature) -> Frames:
    """Return each element as a frame of every sample, all of one weight."""
    size, device = batch_size(inputs), next(iter(inputs.values())).device
    for g in elements:
        if len(g) not in (1, size):
            raise ValueError(f"the inputs have {size} samples, a group element has {len(g)}")
    sample = torch.arange(size, device=device).repeat(len(elements))
    weight = torch.full_like(sample, 1 / len(elements), dtype=torch.float64)
    rotation = torch.cat([g.rotation.expand(size, 3, 3) for g in elements])
    translation = torch.cat([g.translation.expand(size, 3) for g in elements])
    return Frames(sample, weight, rotation, translation)
