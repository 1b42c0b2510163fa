"""Checks of fields against their types; each error names the field."""

from collections.abc import Mapping, Set

import torch
from torch import Tensor

from remul.fields import MASK, Batch, Fields, Model, Signature, Types, batch_size, zero_padding


def check(fields: Fields, types: Types) -> None:
    """Raise `ValueError` for fields that are not what their types say.

    That is: a field undeclared, missing, of the wrong width or of another batch size, a mask that
    is not (batch, n, 1), or an empty batch.
    """
    _check_names(fields.keys() - {MASK}, types.keys() - {MASK})
    batch_size(fields)
    _check_mask(fields)
    for name, x in fields.items():
        if x.dim() < 2:
            raise ValueError(f"field {name!r} is {shape_of(x)}; it has to be (batch, ..., dim)")
        if name in types and x.shape[-1] != types[name].dim:
            raise ValueError(
                f"field {name!r} has {x.shape[-1]} components, "
                f"{types[name].irreps!r} has {types[name].dim}"
            )


def check_inputs(inputs: Fields, types: Types) -> None:
    """Raise `ValueError` as `check` does, and for a NaN in a real object."""
    check(inputs, types)
    check_numbers(inputs, inputs.get(MASK))


def check_labels(batch: Batch, signature: Signature) -> None:
    """Raise `ValueError` for inputs or targets that do not match the signature or one another."""
    check(batch.inputs, signature.inputs)
    check(batch.targets, signature.outputs)
    for fields in (batch.inputs, batch.targets):
        check_numbers(fields, batch.inputs.get(MASK))
    if len(batch) != batch_size(batch.targets):
        raise ValueError(f"inputs have {len(batch)} samples, targets {batch_size(batch.targets)}")


def check_alike(labelled: Fields, unlabelled: Fields) -> None:
    """Raise `ValueError` for unlabelled fields that cannot join the batch of labelled ones."""
    for name in labelled.keys() | unlabelled.keys():
        shapes = [part[name].shape[1:] if name in part else None for part in (labelled, unlabelled)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"unlabelled field {name!r} has samples unlike those of the batch")


def check_numbers(fields: Fields, mask: Tensor | None) -> None:
    """Raise `ValueError` for a NaN in a real object.

    Looks where that costs next to nothing: on a CPU, outside `torch.compile` and `vmap`.
    """
    for name, x in fields.items():
        if has_nan(x) and has_nan(zero_padding({name: x}, mask)[name]):
            raise ValueError(f"field {name!r} holds a NaN")


def has_nan(x: Tensor) -> bool:
    """Tell whether a tensor holds a NaN, as far as its values are at hand."""
    return holds(x.isnan()) if x.device.type == "cpu" else False


def holds(claim: Tensor) -> bool:
    """Tell whether a claim holds anywhere, as far as its values are at hand.

    They are on a CPU, outside `torch.compile` and `vmap`.
    """
    if torch.compiler.is_compiling() or claim.device.type != "cpu":
        return False
    try:
        return bool(claim.any())
    except RuntimeError:  # under `torch.func.vmap` a tensor has no truth value
        return False


def shape_of(x: object) -> tuple[int, ...]:
    """Return the shape of a tensor; `ValueError` for anything else."""
    if not isinstance(x, Tensor):
        raise ValueError(f"a tensor is needed, got a {type(x).__name__}")
    return tuple(x.shape)


def predict(model: Model, inputs: Fields, types: Mapping[str, object]) -> Fields:
    """Return the model's outputs that have a type, whatever else it gives.

    Raises `ValueError` if one is missing, or of another batch size than the inputs.
    """
    outputs = model(inputs)
    if not isinstance(outputs, Mapping):
        raise ValueError(f"the model gives a {type(outputs).__name__}, not a dict of fields")
    missing = ", ".join(sorted(types.keys() - outputs.keys()))
    if missing:
        there = ", ".join(sorted(outputs))
        raise ValueError(f"field {missing!r} is not predicted; the model gives {there}")
    for name in types:
        if (shape := shape_of(outputs[name]))[:1] != (size := batch_size(inputs),):
            raise ValueError(f"the model gives field {name!r} as {shape} for {size} samples")
    return {name: outputs[name] for name in types}


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
