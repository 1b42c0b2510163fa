"""Measures of equivariance: how far f(g x) is from g f(x). None of them needs labels.

They call the model as it is: put it into `eval()` mode first, since dropout is an error too.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from remul.actions import Elements, list_elements, transform
from remul.checks import check_inputs, check_signature, predict, predict_together
from remul.distances import norm
from remul.elements import GroupElement
from remul.fields import Fields, Model, Signature, Types
from remul.layouts import Layout
from remul.values import has_nan

RESAMPLES = 2000
AT_ONCE = 2**21  # values drawn together, so that many samples need no more memory than few


def equivariance_error(
    model: Model, inputs: Fields, signature: Signature, g: GroupElement
) -> Tensor:  # (batch,)
    """Return the relative error |f(g x) - g f(x)| / |g f(x)| of each sample.

    Norms run over the whole output of a sample, padded objects left out. Where g f(x) is zero the
    error is zero if f(g x) is too, and infinite otherwise.

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        g: Elements, one per sample or one for all.

    Returns:
        `(batch,)`, dimensionless; round-off for an equivariant model.

    Raises:
        ValueError: As `act`, and for an empty batch or a NaN in a real object.

    Example:
        >>> equivariance_error(exact, inputs, signature, g).max() < 1e-12
        tensor(True)
    """
    return errors(model, inputs, signature, [g])["equivariance_error"]


def mean_error(
    model: Model, inputs: Fields, signature: Signature, elements: Elements
) -> Tensor:  # (batch,)
    """Return |mean_i g_i f(x) - mean_i f(g_i x)| of each sample (REMUL, Eq. 8).

    Errors of several elements may cancel in it; `expected_error` is the sharper of the two.

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        elements: M group elements, each with one entry per sample or one for all.

    Returns:
        `(batch,)`, in units of the output.

    Raises:
        ValueError: As `equivariance_error`, and without elements.

    Example:
        >>> mean_error(exact, inputs, signature, [g, g.inverse()]).max() < 1e-12
        tensor(True)
    """
    return errors(model, inputs, signature, elements)["mean_error"]


def expected_error(
    model: Model, inputs: Fields, signature: Signature, elements: Elements
) -> Tensor:  # (batch,)
    """Return mean_i |f(g_i x) - g_i f(x)| of each sample (REMUL, Eq. 9).

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        elements: M group elements, each with one entry per sample or one for all.

    Returns:
        `(batch,)`, in units of the output.

    Raises:
        ValueError: As `equivariance_error`, and without elements.

    Example:
        >>> expected_error(offset, inputs, signature, [g, g.inverse()]).min() > 0.1
        tensor(True)
    """
    return errors(model, inputs, signature, elements)["expected_error"]


def error_over_floor(
    model: Model, exact: Model, inputs: Fields, signature: Signature, elements: Elements
) -> Tensor:  # (batch,)
    """Return the relative error of each sample over that of an exactly equivariant model.

    About 1 is round-off, far above it a symmetry that is broken. The floor is the mean error of
    `exact` over samples, and no less than the machine epsilon of the dtype.

    Args:
        model: f.
        exact: An equivariant model, in the same dtype and mode (compiled, mixed precision) as f.
        inputs: x.
        signature: The types of inputs and outputs.
        elements: Group elements, each with one entry per sample or one for all.

    Returns:
        `(batch,)`, dimensionless.

    Raises:
        ValueError: As `equivariance_error`, and without elements.

    Example:
        >>> error_over_floor(offset, exact, inputs, signature, g).min() > 1e9
        tensor(True)
    """
    elements = list_elements(elements)
    error, floor = (
        errors(each, inputs, signature, elements)["equivariance_error"] for each in (model, exact)
    )
    return error / floor.mean().clamp_min(torch.finfo(floor.dtype).eps)


class Interval(NamedTuple):
    """The mean over samples and the ends of its confidence interval, each a scalar.

    Args:
        mean: Mean of the measure over samples.
        low: Lower end.
        high: Upper end.

    Example:
        >>> mean, low, high = interval(torch.ones(5), generator)
    """

    mean: Tensor
    low: Tensor
    high: Tensor


def interval(values: Tensor, generator: Generator, level: float = 0.95) -> Interval:
    """Return the mean of a measure over samples, with its bootstrap interval (Efron 1979).

    The interval is that of percentiles, from 2000 draws of the samples with replacement. An end
    between an infinite mean and another is infinite.

    Args:
        values: The measure of each sample, `(batch,)`.
        generator: Of the draws, on the CPU.
        level: Probability to hold the mean.

    Returns:
        Mean and ends, in units of the measure.

    Raises:
        ValueError: For no samples, a NaN, and unless 0 < level < 1.

    Example:
        >>> mean, low, high = interval(torch.arange(100.0), generator)
        >>> low < mean < high
        tensor(True)
    """
    if values.dim() != 1 or not len(values) or has_nan(values) or not 0 < level < 1:
        raise ValueError(
            "an interval needs values (batch,) without NaN and a level between 0 and 1, "
            f"got {tuple(values.shape)} and {level}"
        )
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    means, ends = _resample(values, generator), [(1 - level) / 2, (1 + level) / 2]
    between, nearest = (
        means.quantile(means.new_tensor(ends), interpolation=how) for how in ("linear", "nearest")
    )
    low, high = torch.where(between.isnan(), nearest, between).unbind()
    return Interval(values.mean(), low, high)


def _resample(values: Tensor, generator: Generator) -> Tensor:  # (draws,)
    """Return the mean of each draw of as many values, with replacement."""
    rows = max(1, AT_ONCE // len(values))
    means = []
    for start in range(0, RESAMPLES, rows):
        size = (min(rows, RESAMPLES - start), len(values))
        drawn = torch.randint(len(values), size, generator=generator, device="cpu")
        means.append(values[drawn.to(values.device)].mean(-1))
    return torch.cat(means)


def errors(
    model: Model, inputs: Fields, signature: Signature, elements: Elements, at_once: int = 1
) -> dict[str, Tensor]:
    """Return the three measures by name, (batch,) each, from one pass over the elements.

    The relative error is the mean over the elements, so many of which share a forward pass.
    """
    turned, expected = _act_before_and_after(model, inputs, signature, elements, at_once)
    distance, size = norm(turned - expected), norm(expected)  # (M, batch)
    equal = distance == 0  # where 0 / 0 would have no value, and its derivative none either
    relative = torch.where(equal, distance, distance / torch.where(equal, 1, size))
    return {
        "equivariance_error": relative.mean(0),
        "mean_error": norm(expected.mean(0) - turned.mean(0)),
        "expected_error": distance.mean(0),
    }


def _act_before_and_after(
    model: Model, inputs: Fields, signature: Signature, elements: Elements, at_once: int
) -> tuple[Tensor, Tensor]:
    """Return f(g x) and g f(x) for each g, as (M, batch, components of the whole output)."""
    check_signature(signature)
    layout = check_inputs(inputs, signature.inputs)
    types_in, types = signature.inputs, signature.outputs
    output, elements = predict(model, inputs, types), list_elements(elements)
    expected = [transform(g, output, types, layout) for g in elements]
    turned = []
    for start in range(0, len(elements), at_once):
        some = [transform(g, inputs, types_in, layout) for g in elements[start : start + at_once]]
        turned += predict_together(model, some, types)
    sides = [[flatten(fields, types, layout) for fields in side] for side in (turned, expected)]
    return torch.stack(sides[0]), torch.stack(sides[1])


def flatten(fields: Fields, types: Types, layout: Layout) -> Tensor:  # (batch, components)
    """Return the whole output of each sample in one row, zero where there is no object."""
    blocks = [layout.pad(fields[name], types[name].objects) for name in sorted(types)]
    return torch.cat([block.flatten(1) for block in blocks], -1)
