"""Measures of equivariance: how far f(g x) is from g f(x). None of them needs labels."""

from collections.abc import Iterable

import torch
from torch import Tensor

from remul.actions import Element, act
from remul.fields import MASK, Fields, Signature, zero_padding
from remul.losses import Model


def equivariance_error(
    model: Model, inputs: Fields, signature: Signature, g: Element
) -> Tensor:  # (batch,)
    """Relative error |f(g x) - g f(x)| / |g f(x)| of each sample, dimensionless.

    Norms run over the whole output of a sample, padded objects left out. Where g f(x) is zero the
    error is zero if f(g x) is too, and infinite otherwise. Raises `ValueError` as `act` does.
    """
    return errors(model, inputs, signature, [g])["equivariance_error"]


def mean_error(
    model: Model, inputs: Fields, signature: Signature, elements: Iterable[Element]
) -> Tensor:  # (batch,)
    """|mean_i g_i f(x) - mean_i f(g_i x)| of each sample (REMUL, Eq. 8), in units of the output.

    `elements` are M group elements, each with one entry per sample or one for all. Norms and
    errors as in `equivariance_error`.
    """
    return errors(model, inputs, signature, elements)["mean_error"]


def expected_error(
    model: Model, inputs: Fields, signature: Signature, elements: Iterable[Element]
) -> Tensor:  # (batch,)
    """mean_i |f(g_i x) - g_i f(x)| of each sample (REMUL, Eq. 9), in units of the output.

    `elements` as in `mean_error`. The sharper of the two: errors cannot cancel in the mean.
    """
    return errors(model, inputs, signature, elements)["expected_error"]


def errors(
    model: Model, inputs: Fields, signature: Signature, elements: Iterable[Element]
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
    model: Model, inputs: Fields, signature: Signature, elements: Iterable[Element]
) -> tuple[Tensor, Tensor]:
    """f(g x) and g f(x) for each g, as (M, batch, components of the whole output)."""
    mask, output = inputs.get(MASK), model(inputs)
    pairs = [
        (model(act(g, inputs, signature.inputs)), act(g, output, signature.outputs))
        for g in elements
    ]
    if not pairs:
        raise ValueError("a measure needs at least one group element, got none")
    turned, expected = (
        torch.stack([_flat(fields, mask) for fields in side]) for side in zip(*pairs, strict=True)
    )
    return turned, expected


def _flat(fields: Fields, mask: Tensor | None) -> Tensor:
    kept = zero_padding(fields, mask)
    return torch.cat([kept[name].flatten(1) for name in sorted(kept)], -1)
