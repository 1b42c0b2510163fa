"""Does a rotation of a structure change what a model says of it? Energies per atom, forces."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from remul.actions import transform
from remul.checks import check_inputs, check_signature, predict
from remul.distances import norm
from remul.elements import Element
from remul.fields import BATCH, Fields, Model, Signature
from remul.groups import rotations_by_angle
from remul.layouts import Layout
from remul.rotations import EXACT

TURNS_DEG = (1, *range(5, 181, 5))


@dataclass(frozen=True)
class PoseDifferences:
    """What a turn from one pose to the next changes in each output field.

    Args:
        angles_deg: The angle of each turn, in degrees, `(turns,)`.
        mean: The mean over objects by field, `(turns, batch)` each, in units of the field.
        largest: The largest over objects by field, `(turns, batch)` each, in units of the field.

    Example:
        >>> PoseDifferences(torch.zeros(2), {"x": torch.ones(2, 5)}, {}).mean["x"].mean()
        tensor(1.)
    """

    angles_deg: Tensor
    mean: dict[str, Tensor]
    largest: dict[str, Tensor]


def pose_differences(
    model: Model,
    inputs: Fields,
    signature: Signature,
    generator: Generator,
    turns_deg: Iterable[float] = TURNS_DEG,
) -> PoseDifferences:
    """Return how outputs, turned back, differ between consecutive poses of the same samples.

    Each pose is the last one turned by the next angle about a uniform axis, as ml-peg's test of
    rotational symmetry has it. What is left of a vector field is its length; what belongs to the
    whole sample, as an energy does, is divided by the number of objects, if it has any.

    Args:
        model: f.
        inputs: x, the first pose.
        signature: The types of inputs and outputs.
        generator: Of the axes.
        turns_deg: The angle from each pose to the next, in degrees.

    Returns:
        The differences by output field.

    Raises:
        ValueError: As `expected_error`, for angles outside 0 to 180, and without any.

    Example:
        >>> found = pose_differences(offset, inputs, signature, generator, [30, 180])
        >>> found.mean["x"].shape, bool(found.mean["x"][0].max() < found.mean["x"][1].max())
        (torch.Size([2, 5]), True)
    """
    check_signature(signature)
    layout, turns_deg = check_inputs(inputs, signature.inputs), [*turns_deg]
    if not turns_deg:
        raise ValueError("pose differences need at least one turn, in degrees")
    poses = []
    for g in _turn(turns_deg, inputs, generator):
        turned = transform(g, inputs, signature.inputs, layout)
        output = predict(model, turned, signature.outputs)
        poses.append(transform(g.inverse(), output, signature.outputs, layout))
    found = {
        name: _compare([pose[name] for pose in poses], rep.objects, inputs, layout)
        for name, rep in signature.outputs.items()
    }
    return PoseDifferences(
        torch.tensor(turns_deg, **EXACT),
        {name: mean for name, (mean, _) in found.items()},
        {name: largest for name, (_, largest) in found.items()},
    )


def _turn(turns_deg: list[float], inputs: Fields, generator: Generator) -> Iterator[Element]:
    """Yield the motion to each pose from the first."""
    g = rotations_by_angle(0, 0).sample(inputs, generator)
    yield g
    for angle in turns_deg:
        g = rotations_by_angle(angle, angle).sample(inputs, generator) @ g
        yield g


def _compare(poses: list[Tensor], objects: int, inputs: Fields, layout: Layout) -> Tensor:
    """Return the mean and the largest change of a field at each turn, (2, turns, batch)."""
    changes = [after - before for before, after in pairwise(poses)]
    return torch.stack([_measure(x, objects, inputs, layout) for x in changes], 1)


def _measure(difference: Tensor, objects: int, inputs: Fields, layout: Layout) -> Tensor:
    """Return the mean and the largest length over the objects of each sample, (2, batch).

    Both are zero where a sample has none, as the measures of equivariance are.
    """
    lengths = norm(layout.pad(difference, objects)).view(layout.size, -1)
    if objects == 0:
        return (lengths[:, 0] / _count_objects(inputs, layout).to(lengths)).expand(2, -1)
    entries = layout.pad(torch.ones_like(difference[..., :1]), objects).flatten(1).sum(1)
    return torch.stack([lengths.sum(1) / entries.clamp_min(1), pad(lengths, (0, 1)).amax(1)])


def _count_objects(inputs: Fields, layout: Layout) -> Tensor:  # (batch,)
    """Return the number of objects of each sample, 1 where it has none."""
    if BATCH not in inputs and all(x.dim() == 2 for x in inputs.values()):
        return torch.ones(layout.size, device="cpu")
    return layout.real(inputs).sum(1).clamp_min(1)
