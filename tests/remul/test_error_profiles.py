"""Error profiles: one error per angle or axis and sample; closed forms are in test_probes."""

from remul import error_by_axis, pose_shift


def test_the_pose_shift_curve_begins_at_zero(broken, vectors, generator):
    curve = pose_shift(broken[0], vectors, broken[1], generator, 2)
    assert curve.errors[0].max() < 1e-12


def test_the_pose_shift_curve_is_one_error_per_angle_and_sample(broken, vectors, generator):
    curve = pose_shift(broken[0], vectors, broken[1], generator, 2)
    assert (curve.errors.shape, curve.area.shape) == ((13, 5), (5,))


def test_errors_by_axis_are_one_per_sample(broken, vectors, generator):
    found = error_by_axis(broken[0], vectors, broken[1], generator, 2)
    assert {axis: error.shape for axis, error in found.items()} == dict.fromkeys("xyz", (5,))
