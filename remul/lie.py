"""The Lie derivative: how a model breaks rotations to first order, in total, by field, by layer."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from remul.actions import transform
from remul.checks import check, check_inputs, predict
from remul.elements import Element, GroupElement
from remul.fields import UNTYPED, Fields, Model, Rep, Signature, Types
from remul.forward_mode import differentiate_at_zero
from remul.layouts import layout_of
from remul.metrics import flatten
from remul.rotations import AXES, EXACT, rotation_about_axis

Generator = str | Callable[[Tensor], GroupElement]

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
    generators: Iterable[Generator] = ("x", "y", "z"),
) -> Tensor:  # (batch,)
    """Return the local equivariance error of each sample (Gruver et al. 2022).

    Mean square over the output entries of real objects of `lie_derivative`, summed over the
    generators. Zero about all three axes means equivariant under SO(3); reflections do not show.

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        generators: Axes of rotation, or as in `lie_derivative`.

    Returns:
        `(batch,)`, in squared units of the output: in float32 outputs below 1e-22 have none, above
        1e19 no finite one.

    Raises:
        ValueError: As `lie_derivative`, and without generators.

    Example:
        >>> lie_derivative_error(exact, inputs, signature).max() < 1e-12
        tensor(True)
    """
    return _mean_square(_as_one_stage(model, signature), inputs, signature, generators)


def lie_error_by_field(
    model: Model,
    inputs: Fields,
    signature: Signature,
    generators: Iterable[Generator] = ("x", "y", "z"),
) -> dict[str, Tensor]:
    """Return the Lie derivative error of each input field when only that field turns.

    The others are put to rest: all but their invariant parts set to zero, which no rotation moves.
    An exactly equivariant model that is finite there shows zero; what shows only in the total comes
    from fields together, or from the model's constants, which every entry repeats.

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        generators: Axes of rotation, or as in `lie_derivative`.

    Returns:
        The error by field, `(batch,)` each, in squared units of the output.

    Raises:
        ValueError: As `lie_derivative_error`.

    Example:
        >>> list(lie_error_by_field(offset, inputs, signature))
        ['x']
    """
    check(inputs, signature.inputs)
    typed = inputs.keys() - UNTYPED
    rest = {n: _keep_invariants(inputs[n], signature.inputs[n]) for n in inputs if n in typed}
    stages, generators = _as_one_stage(model, signature), list(generators)
    return {
        name: _mean_square(stages, inputs | rest | {name: inputs[name]}, signature, generators)
        for name in rest
    }


def lie_error_by_layer(
    model: Model,
    inputs: Fields,
    signature: Signature,
    generators: Iterable[Generator] = ("x", "y", "z"),
) -> dict[str, Tensor]:
    """Return the Lie derivative error that each stage of a network brings to the output.

    As vectors the derivatives of the stages sum to the total (chain rule), as squares they need
    not.

    Args:
        model: A network whose `stages()` declares it as a chain, `Stages`.
        inputs: x.
        signature: The types of inputs and outputs.
        generators: Axes of rotation, or as in `lie_derivative`.

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
    stages, generators = stages_of(model), list(generators)
    return {name: _mean_square(stages, inputs, signature, generators, name) for name in stages}


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
    types = signature.outputs
    return {"model": (lambda inputs: predict(model, inputs, types), types)}


def _mean_square(
    stages: Stages,
    inputs: Fields,
    signature: Signature,
    generators: Iterable[Generator],
    layer: str = "model",
) -> Tensor:
    """Return the mean square over real entries of the derivatives, summed over the generators."""
    layout, types, squares = layout_of(inputs), [*stages.values()][-1][1], []
    for generator in generators:
        derivative = _differentiate(stages, inputs, signature, generator, layer)
        ones = {name: torch.ones_like(x) for name, x in derivative.items()}
        entries = flatten(ones, types, layout).sum(-1)
        square = flatten(derivative, types, layout).square().sum(-1)
        squares.append(square / entries.clamp_min(1))
    if not squares:
        raise ValueError("a Lie derivative needs at least one generator; there are x, y, z")
    return sum(squares[1:], start=squares[0])


def _differentiate(
    stages: Stages, inputs: Fields, signature: Signature, generator: Generator, layer: str
) -> Fields:
    """Return the derivative of the chain in which one stage is turned: rho^-1 stage(rho x)."""
    if layer not in stages:
        raise ValueError(f"no stage {layer!r}; there are {', '.join(stages)}")
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

    chain(torch.zeros(1, **EXACT))  # fills caches of constants outside the transform
    return differentiate_at_zero(chain)[1]


def rotate(generator: Generator, angle: Tensor) -> GroupElement:
    """Return the elements at some angles, (batch,); `ValueError` for another generator."""
    if generator not in AXES and not callable(generator):
        raise ValueError(f"no generator {generator!r}; there are x, y, z")
    if isinstance(generator, str):
        return Element(rotation_about_axis(generator, angle), angle.new_zeros(len(angle), 3))
    return generator(angle)


def _keep_invariants(x: Tensor, rep: Rep) -> Tensor:
    """Return x with all but its invariant components set to zero."""
    invariant = [
        x.new_full((mul * (2 * degree + 1),), float((degree, parity) == (0, 1)))
        for mul, degree, parity in rep.chunks
    ]
    return torch.where(torch.cat(invariant).bool(), x, 0)
