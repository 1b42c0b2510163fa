"""Error profiles: one error per angle or axis and sample; closed forms are in test_probes."""

import torch

from remul import PoseShift, error_by_axis, pose_shift


def test_the_pose_shift_curve_begins_at_zero(broken, vectors, generator):
    curve = pose_shift(broken[0], vectors, broken[1], generator, 2)
    assert curve.errors[0].max() < 1e-12


def test_the_pose_shift_curve_is_one_error_per_angle_and_sample(broken, vectors, generator):
    curve = pose_shift(broken[0], vectors, broken[1], generator, 2)
    assert (curve.errors.shape, curve.area.shape) == ((13, 5), (5,))


def test_errors_by_axis_are_one_per_sample(broken, vectors, generator):
    found = error_by_axis(broken[0], vectors, broken[1], generator, 2)
    assert {axis: error.shape for axis, error in found.items()} == dict.fromkeys("xyz", (5,))


def test_the_area_over_one_angle_is_the_error_there():
    assert PoseShift(torch.tensor([7.5]), torch.tensor([[2.0, 3.0]])).area.tolist() == [2, 3]


def test_angles_are_on_the_cpu_whatever_the_default_device(broken, vectors, generator):
    with torch.device("meta"):
        curve = pose_shift(broken[0], vectors, broken[1], generator, 1)
    assert {x.device.type for x in vars(curve).values()} == {"cpu"}
