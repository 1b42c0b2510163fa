"""The Lie derivative: how a model breaks rotations to first order, in total, by field, by layer."""

from collections.abc import Iterable

import torch
from torch import Tensor

from remul.actions import transform
from remul.checks import check, check_inputs, check_signature, predict
from remul.fields import UNTYPED, Fields, Model, Signature, Types
from remul.forward_mode import differentiate_at_zero
from remul.layouts import layout_of
from remul.lie_generators import Generator, list_generators, put_to_rest, rotate
from remul.metrics import flatten

Stages = dict[str, tuple[Model, Types]]
"""A network as a chain of maps by name, each with the types of what it returns.

Example:
    >>> stages: Stages = {"encode": (exact, {"x": VECTOR}), "decode": (offset, {"x": VECTOR})}
"""


def lie_derivative(
    model: Model,
    inputs: Fields,
    signature: Signature,
    generator: Generator,
    layer: str | None = None,
) -> Fields:
    """Return d/dt at t = 0 of rho(g)^-1 f(g x), g the rotation by t about an axis.

    Forward-mode, so exact to round-off.

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        generator: The axis, "x", "y" or "z", or the element by its angle, as the `rotation` of a
            `PlanarGroup`.
        layer: If given, only that stage of `model.stages()` is turned, and its derivative carried
            to the output by those after it.

    Returns:
        Fields shaped like the output, in its units per radian.

    Raises:
        ValueError: For another generator, fields that do not match the signature, an empty batch, a
            NaN in a real object, and a layer that the model does not declare.

    Example:
        >>> derivative = lie_derivative(exact, inputs, signature, "z")["x"]
        >>> derivative.shape, bool(derivative.abs().max() < 1e-12)
        (torch.Size([5, 4, 3]), True)
    """
    stages = stages_of(model) if layer else _as_one_stage(model, signature)
    return _differentiate(stages, inputs, signature, generator, layer or "model")


def lie_derivative_error(
    model: Model,
    inputs: Fields,
    signature: Signature,
    generators: Generator | Iterable[Generator] = ("x", "y", "z"),
) -> Tensor:  # (batch,)
    """Return the local equivariance error of each sample (Gruver et al. 2022).

    Mean square over the output entries of real objects of `lie_derivative`, summed over the
    generators. Zero about all three axes means equivariant under SO(3); reflections do not show.

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        generators: Axes of rotation, or as in `lie_derivative`: one or several.

    Returns:
        `(batch,)`, in squared units of the output: in float32 outputs below 1e-22 have none, above
        1e19 no finite one.

    Raises:
        ValueError: As `lie_derivative`, and without generators.

    Example:
        >>> lie_derivative_error(exact, inputs, signature).max() < 1e-12
        tensor(True)
    """
    turns = [(inputs, generator) for generator in list_generators(generators)]
    return _mean_square(_as_one_stage(model, signature), turns, signature)


def lie_error_by_field(
    model: Model,
    inputs: Fields,
    signature: Signature,
    generators: Generator | Iterable[Generator] = ("x", "y", "z"),
) -> dict[str, Tensor]:
    """Return the Lie derivative error of each input field when only that field turns.

    The others are put to rest: all but their invariant components, 0e or what a `MatrixElement`
    leaves alone, set to zero. An exactly equivariant model that is finite there shows zero; what
    shows only in the total comes from fields together, or from the model's constants, which every
    entry repeats.

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        generators: Axes of rotation, or as in `lie_derivative`: one or several.

    Returns:
        The error by field, `(batch,)` each, in squared units of the output.

    Raises:
        ValueError: As `lie_derivative_error`.

    Example:
        >>> list(lie_error_by_field(offset, inputs, signature))
        ['x']
    """
    stages, listed = _as_one_stage(model, signature), list_generators(generators)
    check(inputs, signature.inputs)
    rests = [(put_to_rest(inputs, signature.inputs, generator), generator) for generator in listed]
    return {
        name: _mean_square(stages, [(rest | {name: x}, g) for rest, g in rests], signature)
        for name, x in inputs.items()
        if name not in UNTYPED
    }


def lie_error_by_layer(
    model: Model,
    inputs: Fields,
    signature: Signature,
    generators: Generator | Iterable[Generator] = ("x", "y", "z"),
) -> dict[str, Tensor]:
    """Return the Lie derivative error that each stage of a network brings to the output.

    As vectors the derivatives of the stages sum to the total (chain rule), as squares they need
    not.

    Args:
        model: A network whose `stages()` declares it as a chain, `Stages`.
        inputs: x.
        signature: The types of inputs and outputs.
        generators: Axes of rotation, or as in `lie_derivative`: one or several.

    Returns:
        The error by stage, `(batch,)` each, in squared units of the output.

    Raises:
        ValueError: As `lie_derivative_error`, and for a model without `stages`, as hidden features
            without a type have no Lie derivative.

    Example:
        >>> class Chain(torch.nn.Module):
        ...     def stages(self):
        ...         return {"first": (exact, {"x": VECTOR}), "second": (offset, {"x": VECTOR})}
        >>> errors = lie_error_by_layer(Chain(), inputs, signature)
        >>> {name: bool(error.max() < 1e-12) for name, error in errors.items()}
        {'first': True, 'second': False}
    """
    stages = stages_of(model)
    turns = [(inputs, generator) for generator in list_generators(generators)]
    return {name: _mean_square(stages, turns, signature, name) for name in stages}


def stages_of(model: Model) -> Stages:
    """Return the typed chain that a model declares; `ValueError` if it declares none."""
    stages = getattr(model, "stages", None)
    if stages is None:
        raise ValueError(
            f"{type(model).__name__} declares no stages(): its hidden features have no irreps, "
            "so they have no Lie derivative; ask for the total"
        )
    return stages()


def _as_one_stage(model: Model, signature: Signature) -> Stages:
    check_signature(signature)
    types = signature.outputs
    return {"model": (lambda inputs: predict(model, inputs, types), types)}


def _mean_square(
    stages: Stages,
    turns: list[tuple[Fields, Generator]],
    signature: Signature,
    layer: str = "model",
) -> Tensor:
    """Return the mean square over real entries of the derivatives, summed over inputs and turns."""
    types, squares = [*stages.values()][-1][1], []
    for inputs, generator in turns:
        layout = layout_of(inputs)
        derivative = _differentiate(stages, inputs, signature, generator, layer)
        ones = {name: torch.ones_like(x) for name, x in derivative.items()}
        entries = flatten(ones, types, layout).sum(-1)
        square = flatten(derivative, types, layout).square().sum(-1)
        squares.append(square / entries.clamp_min(1))
    return sum(squares[1:], start=squares[0])


def _differentiate(
    stages: Stages, inputs: Fields, signature: Signature, generator: Generator, layer: str
) -> Fields:
    """Return the derivative of the chain in which one stage is turned: rho^-1 stage(rho x)."""
    if layer not in stages:
        raise ValueError(f"no stage {layer!r}; there are {', '.join(stages)}")
    check_signature(signature)
    layout = check_inputs(inputs, signature.inputs)

    def chain(angle: Tensor) -> Fields:
        fields, types = inputs, signature.inputs
        g = rotate(generator, angle)
        for name, (stage, types_out) in stages.items():
            turned = name == layer
            fields = stage(transform(g, fields, types, layout) if turned else fields)
            fields = transform(g.inverse(), fields, types_out, layout) if turned else fields
            types = types_out
        return fields

    return differentiate_at_zero(chain)[1]
