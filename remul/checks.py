"""Checks of fields against their types; each error names the field."""

from collections.abc import Mapping, Set

from torch import Tensor

from remul.batches import Batch
from remul.fields import (
    EDGE_INDEX,
    INDICES,
    MASK,
    UNTYPED,
    Fields,
    Model,
    Rep,
    Signature,
    Types,
    check_fields,
)
from remul.layouts import Layout, join, layout_of
from remul.values import has_nan, shape_of

SHAPES = (  # of fields, by `objects`
    "(batch, dim)",
    "(batch, n, ..., dim) with the n of the mask",
    "(batch, n, n, ..., dim), with the n of a mask",
)


def check(fields: Fields, types: Types, layout: Layout | None = None) -> Layout:
    """Return how fields lie over samples; `ValueError` if they are not what their types say.

    That is: a field undeclared, missing, of the wrong width, of other samples or of other objects
    than its type or the mask says, a mask that is not (batch, n, 1), indices that do not fit, or an
    empty batch. Outputs lie as `layout` says.
    """
    check_fields(fields)
    _check_names(fields.keys() - UNTYPED, types.keys() - UNTYPED)
    layout = layout or layout_of(fields)
    _check_mask(fields)
    for name, x in fields.items():
        if name not in INDICES:
            _check_field(name, x, types.get(name), layout)
    return layout


def check_inputs(inputs: Fields, types: Types) -> Layout:
    """Return the layout as `check` does; `ValueError` for a NaN in a real object, too."""
    layout = check(inputs, types)
    check_numbers(inputs, types, layout)
    return layout


def check_labels(batch: Batch, signature: Signature) -> Layout:
    """Return the layout of a batch; `ValueError` if it does not match the signature or itself."""
    if not isinstance(batch, Batch):
        raise ValueError(f"a Batch(inputs, targets) is needed, got a {type(batch).__name__}")
    check_signature(signature)
    layout = check(batch.inputs, signature.inputs)
    check(batch.targets, signature.outputs, layout)
    check_numbers(batch.inputs, signature.inputs, layout)
    check_numbers(batch.targets, signature.outputs, layout)
    return layout


def check_signature(signature: object) -> None:
    """Raise `ValueError` for what is no signature."""
    if not isinstance(signature, Signature):
        raise ValueError(
            f"a Signature(inputs, outputs) is needed, got a {type(signature).__name__}"
        )


def check_alike(labelled: Fields, unlabelled: Fields) -> None:
    """Raise `ValueError` for unlabelled fields that cannot join the batch of labelled ones."""
    check_fields(unlabelled)
    for name in labelled.keys() | unlabelled.keys():
        axis = 2 if name == EDGE_INDEX else 1  # after that of samples, objects or edges
        shapes = [
            part[name].shape[axis:] if name in part else None for part in (labelled, unlabelled)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(f"unlabelled field {name!r} has samples unlike those of the batch")


def check_numbers(fields: Fields, types: Types, layout: Layout) -> None:
    """Raise `ValueError` for a NaN in a real object.

    Looks where that costs next to nothing: on a CPU, outside `torch.compile` and `vmap`.
    """
    for name, x in fields.items():
        if has_nan(x) and has_nan(layout.pad(x, types[name].objects if name in types else 1)):
            raise ValueError(f"field {name!r} holds a NaN")


def predict(model: Model, inputs: Fields, types: Mapping[str, Rep | Tensor]) -> Fields:
    """Return the model's outputs that have a type, or those that are to fit other tensors.

    Raises `ValueError` if one is missing, or of other samples than the inputs.
    """
    layout, outputs = layout_of(inputs), model({**inputs})  # it may take fields out
    if not isinstance(outputs, Mapping):
        raise ValueError(f"the model gives a {type(outputs).__name__}, not a dict of fields")
    missing = ", ".join(sorted(types.keys() - outputs.keys()))
    if missing:
        there = ", ".join(sorted(outputs))
        raise ValueError(f"field {missing!r} is not predicted; the model gives {there}")
    for name, like in types.items():
        shape = shape_of(outputs[name])
        if not outputs[name].is_floating_point() and not outputs[name].is_complex():
            dtype = outputs[name].dtype
            raise ValueError(f"the model gives field {name!r} in {dtype}; it has to be floating")
        length = layout.count(like.objects) if isinstance(like, Rep) else len(like)
        if shape[:1] != (length,):
            there = layout.describe(like.objects) if isinstance(like, Rep) else f"{length} targets"
            raise ValueError(f"the model gives field {name!r} as {shape} for {there}")
    return {name: outputs[name] for name in types}


def predict_together(model: Model, parts: list[Fields], types: Types) -> list[Fields]:
    """Return the outputs of one forward pass over all parts, taken apart again."""
    if len(parts) == 1:
        return [predict(model, parts[0], types)]
    outputs, layouts = predict(model, join(parts), types), [layout_of(part) for part in parts]
    pieces = {
        name: x.split([layout.count(types[name].objects) for layout in layouts])
        for name, x in outputs.items()
    }
    return [{name: piece[i] for name, piece in pieces.items()} for i in range(len(parts))]


def _check_names(names: Set[str], declared: Set[str]) -> None:
    wrong = [f"field {name!r} is missing" for name in sorted(declared - names)]
    wrong += [f"field {name!r} has no declared type" for name in sorted(names - declared)]
    if wrong:
        raise ValueError(f"{'; '.join(wrong)}; declared are {', '.join(sorted(declared))}")


def _check_mask(fields: Fields) -> None:
    if MASK not in fields:
        return
    shape = tuple(fields[MASK].shape)
    numbers = {x.shape[1] for name, x in fields.items() if name != MASK and x.dim() > 2}
    if len(shape) != 3 or shape[2] != 1 or (numbers and shape[1] not in numbers):
        raise ValueError(
            f"field {MASK!r} is {shape}; it has to be (batch, n, 1), with the n of the objects"
        )


def _check_field(name: str, x: Tensor, rep: Rep | None, layout: Layout) -> None:
    objects = 1 if rep is None else rep.objects
    if x.dim() < 2:
        raise ValueError(f"field {name!r} is {shape_of(x)}; it has to be (batch, ..., dim)")
    if rep and x.shape[-1] != rep.dim:
        raise ValueError(
            f"field {name!r} has {x.shape[-1]} components, {rep.irreps!r} has {rep.dim}"
        )
    if len(x) != layout.count(objects):
        raise ValueError(f"field {name!r} has length {len(x)} for {layout.describe(objects)}")
    if not layout.allows(x.shape, objects):
        raise ValueError(
            f"field {name!r} is {shape_of(x)}; as objects={objects} it has to be {SHAPES[objects]}"
        )
