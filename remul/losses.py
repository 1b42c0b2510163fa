"""The REMUL objective: a fit term and an equivariance term, from one forward pass."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from remul.actions import Element, act
from remul.fields import MASK, Batch, Fields, Signature, check, real_fraction, zero_padding

Model = Callable[[Fields], Fields]
Distance = Callable[[Tensor, Tensor], Tensor]
Terms = dict[str, Tensor]

FIT, EQUIVARIANCE = "fit", "equivariance"


def loss_terms(
    model: Model,
    batch: Batch,
    signature: Signature,
    g: Element | None,
    distance: Distance,
    names: Iterable[str] = (FIT, EQUIVARIANCE),
) -> Terms:
    """The named terms: "fit" is l(f(x), y), "equivariance" is l(f(g x), g y) (REMUL, Eq. 6).

    Original and turned samples go through the model together, as one batch of twice the size; a
    term that is not named costs nothing, and g may be None where only "fit" is. `distance` maps
    two tensors (batch, ..., dim) to their mean distance, as `torch.nn.functional.mse_loss` does;
    it must be zero between equal tensors. Distances of several output fields add up; padded
    objects do not count. Raises `ValueError` for fields that do not match the signature.
    """
    makers = {FIT: lambda: batch, EQUIVARIANCE: lambda: _turned(batch, signature, g)}
    check(batch.inputs, signature.inputs)
    check(batch.targets, signature.outputs)
    parts = {name: makers[name]() for name in names}
    outputs = _jointly(model, [part.inputs for part in parts.values()])
    return {
        name: field_distance(output, part.targets, distance, batch.inputs.get(MASK))
        for (name, part), output in zip(parts.items(), outputs, strict=True)
    }


def equivariance_loss(
    model: Model, batch: Batch, signature: Signature, g: Element, distance: Distance
) -> Tensor:
    """The paper's loss l(f(g x), g y) against the transformed label; see `loss_terms`."""
    return loss_terms(model, batch, signature, g, distance, [EQUIVARIANCE])[EQUIVARIANCE]


def consistency_loss(
    model: Model, inputs: Fields, signature: Signature, g: Element, distance: Distance
) -> Tensor:
    """The functional variant l(f(g x), g f(x)): no labels; gradients flow through both sides.

    Shapes, `distance` and errors as in `loss_terms`.
    """
    output, turned = _jointly(model, [inputs, act(g, inputs, signature.inputs)])
    expected = act(g, output, signature.outputs)
    return field_distance(turned, expected, distance, inputs.get(MASK))


def field_distance(
    prediction: Fields, target: Fields, distance: Distance, mask: Tensor | None = None
) -> Tensor:
    """Sum over fields of the mean distance between real objects of two sets of fields."""
    prediction, wanted = zero_padding(prediction, mask), zero_padding(target, mask)
    per_field = [
        distance(prediction[name], y) / real_fraction(y, mask) for name, y in wanted.items()
    ]
    return sum(per_field[1:], start=per_field[0])


def _turned(batch: Batch, signature: Signature, g: Element) -> Batch:
    inputs = act(g, batch.inputs, signature.inputs)
    return Batch(inputs, act(g, batch.targets, signature.outputs))


def _jointly(model: Model, parts: list[Fields]) -> list[Fields]:
    """The outputs of one forward pass over all parts, equal in size, taken apart again."""
    if len(parts) == 1:
        return [model(parts[0])]
    joint = model({name: torch.cat([part[name] for part in parts]) for name in parts[0]})
    pieces = {name: x.chunk(len(parts)) for name, x in joint.items()}
    return [{name: piece[i] for name, piece in pieces.items()} for i in range(len(parts))]
