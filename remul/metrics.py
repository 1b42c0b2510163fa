"""Measures of equivariance: how far f(g x) is from g f(x). None of them needs labels.

They call the model as it is: put it into `eval()` mode first, since dropout is an error too.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from remul.actions import Element, Elements, act, listed
from remul.fields import (
    MASK,
    Fields,
    Signature,
    check,
    check_numbers,
    declared,
    has_nan,
    zero_padding,
)
from remul.losses import Model

RESAMPLES = 2000


def equivariance_error(
    model: Model, inputs: Fields, signature: Signature, g: Element
) -> Tensor:  # (batch,)
    """Relative error |f(g x) - g f(x)| / |g f(x)| of each sample, dimensionless.

    Norms run over the whole output of a sample, padded objects left out. Where g f(x) is zero the
    error is zero if f(g x) is too, and infinite otherwise. Raises `ValueError` as `act` does, and
    for an empty batch or a NaN in a real object.
    """
    return errors(model, inputs, signature, [g])["equivariance_error"]


def mean_error(
    model: Model, inputs: Fields, signature: Signature, elements: Elements
) -> Tensor:  # (batch,)
    """|mean_i g_i f(x) - mean_i f(g_i x)| of each sample (REMUL, Eq. 8), in units of the output.

    `elements` are M group elements, each with one entry per sample or one for all. Norms and
    errors as in `equivariance_error`.
    """
    return errors(model, inputs, signature, elements)["mean_error"]


def expected_error(
    model: Model, inputs: Fields, signature: Signature, elements: Elements
) -> Tensor:  # (batch,)
    """mean_i |f(g_i x) - g_i f(x)| of each sample (REMUL, Eq. 9), in units of the output.

    `elements` as in `mean_error`. The sharper of the two: errors cannot cancel in the mean.
    """
    return errors(model, inputs, signature, elements)["expected_error"]


def error_over_floor(
    model: Model, exact: Model, inputs: Fields, signature: Signature, elements: Elements
) -> Tensor:  # (batch,)
    """The relative error of each sample over the round-off of an exactly equivariant model.

    `exact` runs in the same dtype and mode (compiled, mixed precision) as `model`; the floor is its
    relative error, mean over samples, and no less than the machine epsilon of the dtype. About 1
    is round-off, far above it a symmetry that is broken. Raises as `equivariance_error`.
    """
    elements = list(elements)
    found, floor = (
        errors(each, inputs, signature, elements)["equivariance_error"] for each in (model, exact)
    )
    return found / floor.mean().clamp_min(torch.finfo(floor.dtype).eps)


class Interval(NamedTuple):
    """The mean over samples and the ends of its confidence interval."""

    mean: Tensor
    low: Tensor
    high: Tensor


def interval(values: Tensor, generator: Generator, level: float = 0.95) -> Interval:
    """Mean of a measure (batch,) over samples, with its percentile bootstrap interval.

    Samples are drawn again with replacement, from `generator` on the CPU (Efron 1979). Raises
    `ValueError` for no samples, for a NaN, and unless 0 < level < 1.
    """
    if values.dim() != 1 or not len(values) or has_nan(values) or not 0 < level < 1:
        raise ValueError(
            "an interval needs values (batch,) without NaN and a level between 0 and 1, "
            f"got {tuple(values.shape)} and {level}"
        )
    size = (RESAMPLES, len(values))
    drawn = torch.randint(len(values), size, generator=generator, device="cpu")
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    means = values[drawn.to(values.device)].mean(-1)
    low, high = means.quantile(means.new_tensor([(1 - level) / 2, (1 + level) / 2])).unbind()
    return Interval(values.mean(), low, high)


def errors(
    model: Model, inputs: Fields, signature: Signature, elements: Elements
) -> dict[str, Tensor]:
    """The three measures by name, (batch,) each, from one pass over the elements.

    The relative error is the mean over the elements.
    """
    turned, expected = _both_ways(model, inputs, signature, elements)
    distance = (turned - expected).norm(dim=-1)  # (M, batch)
    relative = torch.where(distance == 0, distance, distance / expected.norm(dim=-1))
    return {
        "equivariance_error": relative.mean(0),
        "mean_error": (expected.mean(0) - turned.mean(0)).norm(dim=-1),
        "expected_error": distance.mean(0),
    }


def _both_ways(
    model: Model, inputs: Fields, signature: Signature, elements: Elements
) -> tuple[Tensor, Tensor]:
    """f(g x) and g f(x) for each g, as (M, batch, components of the whole output)."""
    check(inputs, signature.inputs)
    check_numbers(inputs, inputs.get(MASK))
    mask, types = inputs.get(MASK), signature.outputs
    output = declared(model(inputs), types)
    pairs = [
        (declared(model(act(g, inputs, signature.inputs)), types), act(g, output, types))
        for g in listed(elements)
    ]
    turned, expected = (
        torch.stack([flat(fields, mask) for fields in side]) for side in zip(*pairs, strict=True)
    )
    return turned, expected


def flat(fields: Fields, mask: Tensor | None) -> Tensor:  # (batch, components)
    """The whole output of each sample in one row, padded objects zero."""
    kept = zero_padding(fields, mask)
    return torch.cat([kept[name].flatten(1) for name in sorted(kept)], -1)
