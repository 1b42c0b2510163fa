"""The equivariance loss to first order: a Lie derivative as a term, without a second forward."""

from collections.abc import Callable, Iterable
from functools import reduce
from operator import matmul

import torch
from torch import Tensor
from torch.nn.functional import normalize

from remul.actions import transform
from remul.batches import Batch
from remul.checks import check_labels, predict
from remul.distances import Distance, field_distance, mean_distance
from remul.elements import Element
from remul.fields import MASK, Fields, Model, Signature
from remul.forward_mode import differentiate_at_zero
from remul.layouts import batch_size, layout_of
from remul.lie_generators import Generator, list_generators, rotate
from remul.losses import EQUIVARIANCE, FIT, Terms, loss_terms
from remul.rotations import EXACT, rotation_about
from remul.values import check_generator


def random_axes(inputs: Fields, generator: torch.Generator) -> Callable[[Tensor], Element]:
    """Draw a uniform axis for each sample: a generator of rotations for `lie_terms`.

    Args:
        inputs: Fields, of which the samples count.
        generator: Of the axes, on the CPU.

    Returns:
        The rotations about these axes as a function of the angle, `(1,)` or `(batch,)`.

    Raises:
        ValueError: For fields of different batch sizes, and what is no generator.

    Example:
        >>> len(random_axes(inputs, generator)(torch.zeros(1)))
        5
    """
    check_generator(generator)
    size = batch_size(inputs)
    with torch.inference_mode(False):  # a gradient may be taken through them
        axes = normalize(torch.randn(size, 3, **EXACT, generator=generator), dim=-1)
    return lambda angle: Element(rotation_about(axes, angle.expand(size)), torch.zeros_like(axes))


def lie_terms(
    model: Model,
    batch: Batch,
    signature: Signature,
    generators: Generator | Iterable[Generator],
    distance: Distance,
    names: Iterable[str] = (FIT, EQUIVARIANCE),
) -> Terms:
    """Return "fit" as `loss_terms`, and "equivariance" l(J v - A f(x), 0), the penalty at no angle.

    With v and A f the velocities of x and f(x) as they turn. l has to depend on the difference of
    its arguments alone, as a mean square does, for which this is the term of `consistency_terms`
    over the squared angle as that goes to 0. It comes with f(x) from one pass in forward mode for
    each generator. Where the output is one invariant number a sample A f = 0, and one gradient does
    for all generators (as in Orb v3's Equigrad, Rhodes et al. 2025).

    Args:
        model: f, differentiable in its inputs, and twice by the weights that are trained.
        batch: Inputs x and targets y.
        signature: The types of both.
        generators: Axes of rotation or `random_axes`, or as in `lie_derivative`; the term is the
            mean over several.
        distance: l, as in `loss_terms`.
        names: The terms wanted.

    Returns:
        The terms by name, scalars: "fit" in the units of `distance`, "equivariance" in those that
        it gives a slope, which for a squared one are per squared radian.

    Raises:
        ValueError: As `loss_terms` and `lie_derivative`, and without generators.

    Example:
        >>> axes = random_axes(inputs, generator)
        >>> lie_terms(exact, batch, signature, axes, mse)["equivariance"] < 1e-12
        tensor(True)
    """
    if EQUIVARIANCE not in (names := list(names)):
        return loss_terms(model, batch, signature, None, distance, names)
    check_labels(batch, signature)
    differentiate = _in_reverse if _is_one_invariant(signature) else _forwards
    listed = list_generators(generators)
    output, derivatives = differentiate(model, batch.inputs, signature, listed)
    mask, types = batch.inputs.get(MASK), signature.outputs
    makers = {
        FIT: lambda: field_distance(output, batch.targets, distance, mask, types),
        EQUIVARIANCE: lambda: mean_distance(_beside_zero(derivatives), distance, mask, types),
    }
    return {name: makers[name]() for name in names}


def _beside_zero(derivatives: list[Fields]) -> list[tuple[Fields, Fields]]:
    return [(d, {name: torch.zeros_like(x) for name, x in d.items()}) for d in derivatives]


def _is_one_invariant(signature: Signature) -> bool:
    reps = [*signature.outputs.values()]
    return len(reps) == 1 and reps[0].objects == 0 and reps[0].chunks == ((1, 0, 1),)


def _forwards(
    model: Model, inputs: Fields, signature: Signature, generators: list[Generator]
) -> tuple[Fields, list[Fields]]:
    """Return f(x) and J v - A f(x) for each generator: f(g x) turned back, to first order."""
    layout = layout_of(inputs)

    def turn_back(generator: Generator) -> Callable[[Tensor], Fields]:
        def pulled(angle: Tensor) -> Fields:
            g = rotate(generator, angle)
            turned = transform(g, inputs, signature.inputs, layout)
            output = predict(model, turned, signature.outputs)
            return transform(g.inverse(), output, signature.outputs, layout)

        return pulled

    pairs = [differentiate_at_zero(turn_back(generator)) for generator in generators]
    return pairs[0][0], [derivative for _, derivative in pairs]


def _in_reverse(
    model: Model, inputs: Fields, signature: Signature, generators: list[Generator]
) -> tuple[Fields, list[Fields]]:
    """Return an invariant f(x) and its derivative along each generator, by one gradient."""
    with torch.inference_mode(False), torch.enable_grad():
        inputs = {name: x.clone() if x.is_inference() else x for name, x in inputs.items()}
        layout = layout_of(inputs)
        angles = torch.zeros(len(generators), layout.size, **EXACT, requires_grad=True)
        g = reduce(matmul, map(rotate, generators, angles))
        output = predict(model, transform(g, inputs, signature.inputs, layout), signature.outputs)
        ((name, energy),) = output.items()
        (slopes,) = torch.autograd.grad(energy.sum(), angles, create_graph=True)
    return output, [{name: slope.to(energy).unsqueeze(-1)} for slope in slopes]
