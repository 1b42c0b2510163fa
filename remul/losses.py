"""The REMUL objective: a fit term and an equivariance term, from one forward pass."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from remul.actions import Elements, list_elements, move, transform
from remul.batches import Batch
from remul.checks import (
    check_alike,
    check_inputs,
    check_labels,
    check_signature,
    predict_together,
)
from remul.distances import Distance, field_distance, mean_distance
from remul.elements import GroupElement
from remul.fields import MASK, Fields, Model, Signature
from remul.layouts import Layout

FIT, EQUIVARIANCE = "fit", "equivariance"

Terms = dict[str, Tensor]
"""Loss terms by name, each a scalar: "fit" and "equivariance".

Example:
    >>> terms: Terms = {"fit": torch.tensor(0.5), "equivariance": torch.tensor(0.1)}
"""


def loss_terms(
    model: Model,
    batch: Batch,
    signature: Signature,
    g: Elements | None,
    distance: Distance | Mapping[str, Distance],
    names: Iterable[str] = (FIT, EQUIVARIANCE),
) -> Terms:
    """Return the terms "fit" l(f(x), y) and "equivariance" l(f(g x), g y) (REMUL, Eq. 6).

    Original and turned samples go through the model as one batch of twice the size; a term that is
    not named costs nothing. Padded objects do not count.

    Args:
        model: f.
        batch: Inputs x and targets y.
        signature: The types of both.
        g: One element per sample, or several such: then the term is the mean over them. None will
            do where only "fit" is named.
        distance: l, as `torch.nn.functional.mse_loss`, or one for each field by its name; those of
            several fields add up.
        names: The terms wanted.

    Returns:
        The terms by name, scalars in the units of `distance`.

    Raises:
        ValueError: For fields that do not match the signature or one another in size, empty
            batches, a NaN in a real object (on a CPU), no element, unknown names or none, and as
            `field_distance`.

    Example:
        >>> list(loss_terms(offset, batch, signature, g, mse))
        ['fit', 'equivariance']
    """
    layout = check_labels(batch, signature)
    makers = {
        FIT: lambda: [batch],
        EQUIVARIANCE: lambda: [
            _turn(batch, signature, h, layout) for h in _list_beside(batch.inputs, g)
        ],
    }
    parts = {name: makers[name]() for name in _check_names(names)}
    inputs = [part.inputs for batches in parts.values() for part in batches]
    outputs = iter(predict_together(model, inputs, signature.outputs))
    mask, types = batch.inputs.get(MASK), signature.outputs
    return {  # an output is let go before the next is compared
        name: mean_distance([(next(outputs), p.targets) for p in some], distance, mask, types)
        for name, some in parts.items()
    }


def consistency_terms(
    model: Model,
    batch: Batch,
    signature: Signature,
    g: Elements | None,
    distance: Distance | Mapping[str, Distance],
    names: Iterable[str] = (FIT, EQUIVARIANCE),
    *,
    unlabelled: Fields | None = None,
    stop_gradient: bool = False,
) -> Terms:
    """Return "fit" as `loss_terms`, and "equivariance" l(f(g x), g f(x)), which needs no labels.

    Args:
        model: f.
        batch: Inputs x and targets y.
        signature: The types of both.
        g: As in `loss_terms`; it acts on `unlabelled` where there is any.
        distance: l, as in `loss_terms`.
        names: The terms wanted.
        unlabelled: Inputs of "equivariance" instead of those of the batch, in the same pass.
        stop_gradient: Whether g f(x) is held constant.

    Returns:
        The terms by name, scalars in the units of `distance`.

    Raises:
        ValueError: As `loss_terms`, and for `unlabelled` samples of another shape.

    Example:
        >>> consistency_terms(exact, batch, signature, g, mse)["equivariance"] < 1e-12
        tensor(True)
    """
    if EQUIVARIANCE not in (names := _check_names(names)):
        return loss_terms(model, batch, signature, None, distance, names)
    layout, inputs, labelled = check_labels(batch, signature), batch.inputs, []
    if unlabelled is not None:
        check_alike(inputs, unlabelled)
        layout, inputs = check_inputs(unlabelled, signature.inputs), unlabelled
        labelled = [batch.inputs] if FIT in names else []
    elements, types = _list_beside(inputs, g), signature.outputs
    turned = [move(h, inputs, signature.inputs, layout) for h in elements]
    outputs = predict_together(model, [*labelled, inputs, *turned], types)
    mask, input_mask = batch.inputs.get(MASK), inputs.get(MASK)
    pairs = _pair(outputs[len(labelled) :], signature, elements, layout, stop_gradient)
    makers = {
        FIT: lambda: field_distance(outputs[0], batch.targets, distance, mask, types),
        EQUIVARIANCE: lambda: mean_distance(pairs, distance, input_mask, types),
    }
    return {name: makers[name]() for name in names}


def equivariance_loss(
    model: Model,
    batch: Batch,
    signature: Signature,
    g: Elements,
    distance: Distance | Mapping[str, Distance],
) -> Tensor:
    """Return the loss l(f(g x), g y) against the transformed label (REMUL, Eq. 6).

    Args:
        model: f.
        batch: Inputs x and targets y.
        signature: The types of both.
        g: As in `loss_terms`.
        distance: l, as in `loss_terms`.

    Returns:
        A scalar, in the units of `distance`.

    Raises:
        ValueError: As `loss_terms`.

    Example:
        >>> equivariance_loss(exact, Batch(inputs, exact(inputs)), signature, g, mse) < 1e-12
        tensor(True)
    """
    return loss_terms(model, batch, signature, g, distance, [EQUIVARIANCE])[EQUIVARIANCE]


def consistency_loss(
    model: Model,
    inputs: Fields,
    signature: Signature,
    g: Elements,
    distance: Distance | Mapping[str, Distance],
    stop_gradient: bool = False,
) -> Tensor:
    """Return the functional loss l(f(g x), g f(x)), which needs no labels.

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        g: As in `loss_terms`.
        distance: l, as in `loss_terms`.
        stop_gradient: Whether g f(x) is held constant; else gradients flow through both sides.

    Returns:
        A scalar, in the units of `distance`.

    Raises:
        ValueError: As `loss_terms`.

    Example:
        >>> consistency_loss(offset, inputs, signature, g, mse) > 0.01
        tensor(True)
    """
    check_signature(signature)
    layout, elements = check_inputs(inputs, signature.inputs), _list_beside(inputs, g)
    turned = [move(h, inputs, signature.inputs, layout) for h in elements]
    outputs = predict_together(model, [inputs, *turned], signature.outputs)
    pairs = _pair(outputs, signature, elements, layout, stop_gradient)
    return mean_distance(pairs, distance, inputs.get(MASK), signature.outputs)


def _list_beside(inputs: Fields, g: Elements | None) -> list[GroupElement]:
    """Return the elements one by one, where the inputs are: sent once, they act several times."""
    device = next(iter(inputs.values())).device
    return [h.to(device) for h in list_elements(g)]


def _pair(
    outputs: list[Fields],
    signature: Signature,
    elements: list[GroupElement],
    layout: Layout,
    stop_gradient: bool,
) -> list[tuple[Fields, Fields]]:
    """Return f(h x) and h f(x) of each element h; the first output is f(x)."""
    output, *turned = outputs
    if stop_gradient:
        output = {name: x.detach() for name, x in output.items()}
    expected = [transform(h, output, signature.outputs, layout) for h in elements]
    return list(zip(turned, expected, strict=True))


def _turn(batch: Batch, signature: Signature, g: GroupElement, layout: Layout) -> Batch:
    inputs = move(g, batch.inputs, signature.inputs, layout)
    return Batch(inputs, move(g, batch.targets, signature.outputs, layout))


def _check_names(names: Iterable[str]) -> list[str]:
    listed = list(names)
    if isinstance(names, str) or not listed:
        raise ValueError(f"names are a list of terms, such as [{FIT!r}], got {names!r}")
    for name in listed:
        if name not in (FIT, EQUIVARIANCE):
            raise ValueError(f"no term {name!r}; there are {FIT}, {EQUIVARIANCE}")
    return listed
