"""Where in SO(3) a model errs: the expected error by axis and by angle of the rotation."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from remul.fields import Fields, Model, Signature
from remul.groups import Group, about_axis, rotations_by_angle
from remul.metrics import expected_error
from remul.rotations import AXES, EXACT

ANGLES_DEG = tuple(range(0, 181, 15))


@dataclass(frozen=True)
class PoseShift:
    """The expected error of each sample by angle of rotation.

    Args:
        angles_deg: Angles in degrees, `(angles,)`.
        errors: Expected errors, `(angles, batch)`, in units of the output.

    Example:
        >>> PoseShift(torch.tensor([0.0, 90, 180]), torch.tensor([[0.0], [1], [2]])).area
        tensor([1.])
    """

    angles_deg: Tensor
    errors: Tensor

    @property
    def area(self) -> Tensor:  # (batch,)
        """Area under the curve over the range of angles: its mean, in units of the output."""
        if len(self.angles_deg) == 1:
            return self.errors[0]
        angles = self.angles_deg.to(self.errors)
        return torch.trapezoid(self.errors, angles, dim=0) / (angles[-1] - angles[0])


def pose_shift(
    model: Model, inputs: Fields, signature: Signature, generator: Generator, count: int = 20
) -> PoseShift:
    """Return the expected error (REMUL, Eq. 9) by rotation angle, every 15 degrees up to 180.

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        generator: Of the rotations.
        count: Number of random axes about which each angle is taken.

    Returns:
        The curve, in units of the output.

    Raises:
        ValueError: As `expected_error`.

    Example:
        >>> curve = pose_shift(offset, inputs, signature, generator, count=2)
        >>> curve.errors.shape
        torch.Size([13, 5])
    """
    curve = [
        _error_over(rotations_by_angle(angle, angle), model, inputs, signature, generator, count)
        for angle in ANGLES_DEG
    ]
    return PoseShift(torch.tensor(ANGLES_DEG, **EXACT), torch.stack(curve))


def error_by_axis(
    model: Model, inputs: Fields, signature: Signature, generator: Generator, count: int = 20
) -> dict[str, Tensor]:
    """Return the expected error over rotations about x, y and z alone (REMUL, Table 9).

    Args:
        model: f.
        inputs: x.
        signature: The types of inputs and outputs.
        generator: Of the rotations.
        count: Number of random angles about each axis.

    Returns:
        The error by axis, `(batch,)` each, in units of the output.

    Raises:
        ValueError: As `expected_error`.

    Example:
        >>> list(error_by_axis(offset, inputs, signature, generator, count=2))
        ['x', 'y', 'z']
    """
    return {
        axis: _error_over(about_axis(axis), model, inputs, signature, generator, count)
        for axis in AXES
    }


def _error_over(
    group: Group,
    model: Model,
    inputs: Fields,
    signature: Signature,
    generator: Generator,
    count: int,
) -> Tensor:
    elements = (group.sample(inputs, generator) for _ in range(count))
    return expected_error(model, inputs, signature, elements)
