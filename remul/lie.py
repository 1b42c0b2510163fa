"""The Lie derivative: how a model breaks rotations to first order, in total, by field, by layer."""

import warnings
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.func import jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from remul.actions import Element, act
from remul.fields import MASK, Fields, Rep, Signature, Types, check, check_numbers, declared
from remul.groups import AXES, EXACT, rotation_about
from remul.losses import Model
from remul.metrics import flat

Stages = dict[str, tuple[Model, Types]]


def lie_derivative_error(
    model: Model, inputs: Fields, signature: Signature, generators: Iterable[str] = ("x", "y", "z")
) -> Tensor:  # (batch,)
    """Local equivariance error of each sample (Gruver et al. 2022), in squared units of the output.

    Mean square over the output entries of real objects of `lie_derivative`, summed over the
    generators. Zero about all three axes means equivariant under SO(3); reflections do not show.
    Raises `ValueError` as `lie_derivative` does.
    """
    return _squared(_whole(model, signature), inputs, signature, generators)


def lie_error_by_field(
    model: Model, inputs: Fields, signature: Signature, generators: Iterable[str] = ("x", "y", "z")
) -> dict[str, Tensor]:
    """The Lie derivative error, (batch,), of each input field when only that field turns.

    The other fields are put to rest: all but their invariant parts set to zero, which no rotation
    moves. An exactly equivariant model that is finite there shows zero; what shows only in the
    total comes from fields together, or from the model's constants, which every entry repeats.
    """
    rest = {n: _at_rest(x, signature.inputs[n]) for n, x in inputs.items() if n != MASK}
    stages, generators = _whole(model, signature), list(generators)
    return {
        name: _squared(stages, inputs | rest | {name: inputs[name]}, signature, generators)
        for name in rest
    }


def lie_error_by_layer(
    model: Model, inputs: Fields, signature: Signature, generators: Iterable[str] = ("x", "y", "z")
) -> dict[str, Tensor]:
    """The Lie derivative error, (batch,), that each stage of the network brings to the output.

    The derivative of a stage is carried to the output by those after it; as vectors these sum to
    the total (chain rule), as squares they need not. `model.stages()` declares the network as a
    chain: by name, maps `Fields -> Fields` with the types of what they return. Raises `ValueError`
    for a model without it, as untyped hidden features have no Lie derivative.
    """
    stages, generators = stages_of(model), list(generators)
    return {name: _squared(stages, inputs, signature, generators, name) for name in stages}


def lie_derivative(
    model: Model, inputs: Fields, signature: Signature, generator: str, layer: str | None = None
) -> Fields:
    """d/dt at t = 0 of rho(g)^-1 f(g x), g the rotation by t about the axis `generator`.

    Forward-mode, so exact to round-off; per radian, shaped like the output. With `layer`, only
    that stage of `model.stages()` is turned, as `lie_error_by_layer` says. Raises `ValueError`
    for a generator other than "x", "y", "z", for fields that do not match the signature, an empty
    batch or a NaN in a real object.
    """
    stages = stages_of(model) if layer else _whole(model, signature)
    return _derivative(stages, inputs, signature, generator, layer or "model")


def stages_of(model: Model) -> Stages:
    """The typed chain that a model declares; `ValueError` if it declares none."""
    if not hasattr(model, "stages"):
        raise ValueError(
            f"{type(model).__name__} declares no stages(): its hidden features have no irreps, "
            "so they have no Lie derivative; ask for the total"
        )
    return model.stages()


def _whole(model: Model, signature: Signature) -> Stages:
    types = signature.outputs
    return {"model": (lambda inputs: declared(model(inputs), types), types)}


def _squared(
    stages: Stages,
    inputs: Fields,
    signature: Signature,
    generators: Iterable[str],
    layer: str = "model",
) -> Tensor:
    """Mean square over real entries of the derivatives, summed over the generators."""
    mask, total = inputs.get(MASK), 0.0
    for generator in generators:
        found = _derivative(stages, inputs, signature, generator, layer)
        entries = flat({name: torch.ones_like(x) for name, x in found.items()}, mask).sum(-1)
        total = total + flat(found, mask).square().sum(-1) / entries.clamp_min(1)
    if isinstance(total, float):
        raise ValueError("a Lie derivative needs at least one generator; there are x, y, z")
    return total


def _derivative(
    stages: Stages, inputs: Fields, signature: Signature, generator: str, layer: str
) -> Fields:
    """The derivative of the chain in which one stage is turned: rho^-1 stage(rho x)."""
    if generator not in AXES:
        raise ValueError(f"no generator {generator!r}; there are x, y, z")
    if layer not in stages:
        raise ValueError(f"no stage {layer!r}; there are {', '.join(stages)}")
    check(inputs, signature.inputs)
    check_numbers(inputs, inputs.get(MASK))

    def chain(angle: Tensor) -> Fields:
        fields, types = inputs, signature.inputs
        g = _turn(generator, angle)
        for name, (stage, types_out) in stages.items():
            turned = name == layer
            fields = stage(act(g, fields, types) if turned else fields)
            fields = act(_inverse(g), fields, types_out) if turned else fields
            types = types_out
        return fields

    return _differentiate(chain)


def _differentiate(function: Callable[[Tensor], Fields]) -> Fields:
    """The derivative at angle zero, in forward mode, which fused attention does not have."""
    angle = torch.zeros(1, **EXACT)
    function(angle)  # fills caches of constants outside the transform
    with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)  # torch's own
        return jvp(function, (angle,), (torch.ones_like(angle),))[1]


def _turn(axis: str, angle: Tensor) -> Element:
    direction = torch.eye(3, **EXACT)[AXES[axis]]
    return Element(rotation_about(direction[None], angle), angle.new_zeros(1, 3))


def _inverse(g: Element) -> Element:
    """The inverse of a rotation about the origin."""
    return Element(g.rotation.mT, g.translation)


def _at_rest(x: Tensor, rep: Rep) -> Tensor:
    invariant = [
        x.new_full((mul * (2 * degree + 1),), float((degree, parity) == (0, 1)))
        for mul, degree, parity in rep.chunks
    ]
    return torch.where(torch.cat(invariant).bool(), x, 0)
