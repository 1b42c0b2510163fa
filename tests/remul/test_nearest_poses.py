"""The angle to the nearest training pose, and the error against it."""

import pytest
import torch
from torch.testing import assert_close

from remul import (
    SO3,
    VECTOR,
    Batch,
    Element,
    Permutation,
    Signature,
    error_by_nearest_pose,
    rotations_by_angle,
)
from remul.nearest_poses import nearest_angle_deg

SIGNATURE = Signature({"x": VECTOR}, {"x": VECTOR})
STILL = Element(torch.eye(3).double()[None], torch.zeros(1, 3).double())


@pytest.fixture
def batch(draw):
    x = {"x": draw(40, 2, 3)}
    return Batch(x, x)


@pytest.mark.parametrize("angle", [0.5, 60.0, 179.0])
def test_the_angle_is_that_of_the_rotation_between(angle, batch, generator):
    pose = SO3.sample(batch.inputs, generator)
    turn = rotations_by_angle(angle, angle).sample(batch.inputs, generator)
    assert_close(nearest_angle_deg(turn @ pose, [pose]), torch.full((40,), angle).double())


def test_the_nearest_pose_counts(batch, generator):
    far, near = (rotations_by_angle(a, a).sample(batch.inputs, generator) for a in (90, 10))
    assert_close(nearest_angle_deg(STILL, [far, near]), torch.full((40,), 10.0).double())


def test_exact_models_err_nowhere(batch, generator):
    curve = error_by_nearest_pose(lambda x: x, batch, SIGNATURE, STILL, generator)
    assert curve.errors.max() < 1e-12


def test_a_model_that_knows_one_pose_errs_with_the_angle(batch, generator):
    """It gives the target as it was, whatever the pose: off by 2 sin(angle / 2) at most."""
    curve = error_by_nearest_pose(lambda _: batch.targets, batch, SIGNATURE, STILL, generator)
    middle = curve.errors[5]
    assert 5 * curve.errors[0] < middle < curve.errors[-1]


def test_many_poses_leave_no_large_angles(batch, generator):
    poses = [SO3.sample(batch.inputs, generator) for _ in range(64)]
    curve = error_by_nearest_pose(lambda x: x, batch, SIGNATURE, poses, generator)
    assert curve.angles_deg.max() < 90


def test_no_pose_is_refused(batch, generator):
    with pytest.raises(ValueError, match="at least one group element"):
        error_by_nearest_pose(lambda x: x, batch, SIGNATURE, [], generator)


@pytest.mark.parametrize(
    ("poses", "count", "message"),
    [
        (Permutation(torch.tensor([[1, 0]])), 4, r"needed \(Element\).*got a Permutation"),
        ([STILL, 3], 4, "got a int"),
        (STILL, 0, "at least one test pose, got 0"),
    ],
)
def test_other_poses_and_counts_are_refused(poses, count, message, batch, generator):
    with pytest.raises(ValueError, match=message):
        error_by_nearest_pose(lambda x: x, batch, SIGNATURE, poses, generator, count)


def test_poses_are_drawn_on_the_cpu_whatever_the_default_device(batch, generator):
    with torch.device("meta"):
        curve = error_by_nearest_pose(lambda x: x, batch, SIGNATURE, STILL, generator, 1)
    assert {x.device.type for x in vars(curve).values()} == {"cpu"}
