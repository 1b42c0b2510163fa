"""Where in SO(3) a model errs: the expected error by axis and by angle of the rotation."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from remul.fields import Fields, Signature
from remul.groups import AXES, Group, about_axis, rotations_by_angle
from remul.losses import Model
from remul.metrics import expected_error

ANGLES_DEG = tuple(range(0, 181, 15))


@dataclass(frozen=True)
class PoseShift:
    """The expected error of each sample, (angles, batch), by angle of rotation in degrees."""

    angles_deg: Tensor
    errors: Tensor

    @property
    def area(self) -> Tensor:  # (batch,)
        """Area under the curve over the range of angles: its mean, in units of the output."""
        angles = self.angles_deg.to(self.errors)
        return torch.trapezoid(self.errors, angles, dim=0) / (angles[-1] - angles[0])


def pose_shift(
    model: Model, inputs: Fields, signature: Signature, generator: Generator, count: int = 20
) -> PoseShift:
    """The expected error (REMUL, Eq. 9) by rotation angle, every 15 degrees from 0 to 180.

    Each angle is taken about `count` uniformly random axes. Units and errors as in
    `expected_error`.
    """
    curve = [
        _expected(model, inputs, signature, [rotations_by_angle(angle, angle)] * count, generator)
        for angle in ANGLES_DEG
    ]
    return PoseShift(torch.tensor(ANGLES_DEG, dtype=torch.float64), torch.stack(curve))


def error_by_axis(
    model: Model, inputs: Fields, signature: Signature, generator: Generator, count: int = 20
) -> dict[str, Tensor]:
    """The expected error (REMUL, Table 9) over `count` rotations about x, y and z alone.

    One (batch,) for each axis. Units and errors as in `expected_error`.
    """
    return {
        axis: _expected(model, inputs, signature, [about_axis(axis)] * count, generator)
        for axis in AXES
    }


def _expected(
    model: Model, inputs: Fields, signature: Signature, groups: list[Group], generator: Generator
) -> Tensor:
    elements = (group.sample(inputs, generator) for group in groups)
    return expected_error(model, inputs, signature, elements)
