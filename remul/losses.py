"""The REMUL objective: a fit term and an equivariance term, from one forward pass."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from remul.actions import Element, Elements, act, listed
from remul.fields import (
    MASK,
    Batch,
    Fields,
    Signature,
    Types,
    batch_size,
    check,
    check_numbers,
    declared,
    real_fraction,
    zero_padding,
)

Model = Callable[[Fields], Fields]
Distance = Callable[[Tensor, Tensor], Tensor]
Terms = dict[str, Tensor]

FIT, EQUIVARIANCE = "fit", "equivariance"


def loss_terms(
    model: Model,
    batch: Batch,
    signature: Signature,
    g: Elements | None,
    distance: Distance,
    names: Iterable[str] = (FIT, EQUIVARIANCE),
) -> Terms:
    """The named terms: "fit" is l(f(x), y), "equivariance" is l(f(g x), g y) (REMUL, Eq. 6).

    Original and turned samples go through the model together, as one batch of twice the size; a
    term that is not named costs nothing, and g may be None where only "fit" is. A list of K
    elements turns every sample K times, and the term is the mean over them. `distance` maps two
    tensors (batch, ..., dim) to their mean distance, as `torch.nn.functional.mse_loss` does; it
    must be zero between equal tensors. Distances of several output fields add up; padded objects
    do not count. Raises `ValueError` for fields that do not match the signature or one another
    in size, empty batches, NaN in a real object (on a CPU), an empty list and unknown names.
    """
    _check_labels(batch, signature)
    names = _known(names)
    makers = {
        FIT: lambda: [batch],
        EQUIVARIANCE: lambda: [_turned(batch, signature, h) for h in listed(g)],
    }
    parts = {name: makers[name]() for name in names}
    inputs = [part.inputs for made in parts.values() for part in made]
    outputs = iter(_jointly(model, inputs, signature.outputs))
    mask = batch.inputs.get(MASK)
    return {
        name: _mean_distance([(next(outputs), part.targets) for part in made], distance, mask)
        for name, made in parts.items()
    }


def consistency_terms(
    model: Model,
    batch: Batch,
    signature: Signature,
    g: Elements | None,
    distance: Distance,
    names: Iterable[str] = (FIT, EQUIVARIANCE),
    *,
    unlabelled: Fields | None = None,
    stop_gradient: bool = False,
) -> Terms:
    """As `loss_terms`, with the functional variant l(f(g x), g f(x)) as "equivariance".

    That term needs no labels: with `unlabelled` inputs it is taken over them instead of those of
    the batch, and g acts on them. All goes through the model in one pass. `stop_gradient` holds
    g f(x) constant.
    """
    if EQUIVARIANCE not in (names := _known(names)):
        return loss_terms(model, batch, signature, None, distance, names)
    g, apart = listed(g), unlabelled is not None and FIT in names
    inputs = batch.inputs if unlabelled is None else unlabelled
    _check_labels(batch, signature)
    _check_alike(batch.inputs, inputs)
    check_numbers(inputs, inputs.get(MASK))
    turned = [act(h, inputs, signature.inputs) for h in g]
    outputs = _jointly(model, [*[batch.inputs] * apart, inputs, *turned], signature.outputs)
    makers = {
        FIT: lambda: field_distance(outputs[0], batch.targets, distance, batch.inputs.get(MASK)),
        EQUIVARIANCE: lambda: _inconsistency(
            outputs[apart:], signature, g, distance, inputs.get(MASK), stop_gradient
        ),
    }
    return {name: makers[name]() for name in names}


def equivariance_loss(
    model: Model, batch: Batch, signature: Signature, g: Elements, distance: Distance
) -> Tensor:
    """The paper's loss l(f(g x), g y) against the transformed label; see `loss_terms`."""
    return loss_terms(model, batch, signature, g, distance, [EQUIVARIANCE])[EQUIVARIANCE]


def consistency_loss(
    model: Model,
    inputs: Fields,
    signature: Signature,
    g: Elements,
    distance: Distance,
    stop_gradient: bool = False,
) -> Tensor:
    """The functional variant l(f(g x), g f(x)): no labels; gradients flow through both sides.

    With `stop_gradient` g f(x) is held constant. Shapes, `distance`, lists of elements and errors
    as in `loss_terms`.
    """
    g = listed(g)
    turned = [act(h, inputs, signature.inputs) for h in g]
    check_numbers(inputs, inputs.get(MASK))
    outputs = _jointly(model, [inputs, *turned], signature.outputs)
    return _inconsistency(outputs, signature, g, distance, inputs.get(MASK), stop_gradient)


def field_distance(
    prediction: Fields, target: Fields, distance: Distance, mask: Tensor | None = None
) -> Tensor:
    """Sum over fields of the mean distance between real objects of two sets of fields.

    Raises `ValueError` for a field that is not predicted, or in another shape.
    """
    for name, y in target.items():
        found = tuple(prediction[name].shape) if name in prediction else "not predicted"
        if found != tuple(y.shape):
            raise ValueError(f"field {name!r} is {found}, its target {tuple(y.shape)}")
    prediction, wanted = zero_padding(prediction, mask), zero_padding(target, mask)
    per_field = [
        distance(prediction[name], y) / real_fraction(y, mask) for name, y in wanted.items()
    ]
    return sum(per_field[1:], start=per_field[0])


def _inconsistency(
    outputs: list[Fields],
    signature: Signature,
    g: list[Element],
    distance: Distance,
    mask: Tensor | None,
    stop_gradient: bool,
) -> Tensor:
    """Mean distance of f(h x) from h f(x) over the elements h of g; f(x) is the first output."""
    output, *turned = outputs
    if stop_gradient:
        output = {name: x.detach() for name, x in output.items()}
    expected = [act(h, output, signature.outputs) for h in g]
    return _mean_distance(zip(turned, expected, strict=True), distance, mask)


def _mean_distance(
    pairs: Iterable[tuple[Fields, Fields]], distance: Distance, mask: Tensor | None
) -> Tensor:
    return torch.stack([field_distance(*pair, distance, mask) for pair in pairs]).mean()


def _known(names: Iterable[str]) -> list[str]:
    names = list(names)
    for name in names:
        if name not in (FIT, EQUIVARIANCE):
            raise ValueError(f"no term {name!r}; there are {FIT}, {EQUIVARIANCE}")
    return names


def _turned(batch: Batch, signature: Signature, g: Element) -> Batch:
    inputs = act(g, batch.inputs, signature.inputs)
    return Batch(inputs, act(g, batch.targets, signature.outputs))


def _jointly(model: Model, parts: list[Fields], types: Types) -> list[Fields]:
    """The outputs of one forward pass over all parts, taken apart again."""
    if len(parts) == 1:
        return [declared(model(parts[0]), types)]
    inputs = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    joint = declared(model(inputs), types)
    sizes = [batch_size(part) for part in parts]
    pieces = {name: x.split(sizes) for name, x in joint.items()}
    return [{name: piece[i] for name, piece in pieces.items()} for i in range(len(parts))]


def _check_labels(batch: Batch, signature: Signature) -> None:
    check(batch.inputs, signature.inputs)
    check(batch.targets, signature.outputs)
    for fields in (batch.inputs, batch.targets):
        check_numbers(fields, batch.inputs.get(MASK))
    if len(batch) != batch_size(batch.targets):
        raise ValueError(f"inputs have {len(batch)} samples, targets {batch_size(batch.targets)}")


def _check_alike(labelled: Fields, unlabelled: Fields) -> None:
    for name in labelled.keys() | unlabelled.keys():
        shapes = [part[name].shape[1:] if name in part else None for part in (labelled, unlabelled)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"unlabelled field {name!r} has samples unlike those of the batch")
