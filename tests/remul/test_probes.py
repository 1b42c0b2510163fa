"""Probes: estimators of every measure over rotations hit the closed forms within their interval."""

from math import pi, sin, sqrt

import pytest
import torch
from torch.testing import assert_close

from remul import (
    SO3,
    VECTOR,
    Signature,
    equivariance_error,
    error_by_axis,
    expected_error,
    interval,
    mean_error,
    pose_shift,
)

SIGNATURE = Signature({"x": VECTOR}, {"x": VECTOR})
HPARAMS = {
    "exact": {},
    "offset": {"size": 0.5},
    "epsilon": {"epsilon": 0.2},
    "frame": {"angle_deg": 50.0},
}
SAMPLES, DRAWS = 300, 3
LENGTH = sqrt(5)  # of two vectors along y, of lengths 1 and 2
OFFSET, EPSILON, FRAME = 0.5 * sqrt(6), 0.2 * LENGTH, 2 * sin(pi * 25 / 180) * LENGTH


def of_an_axis(size, output):
    """The errors of a linear map with the preferred axis y, on vectors along it."""
    return {
        "expected": pi / 4 * size,
        "relative": pi / 4 * size / output,
        "squared mean": 2 / 3 * size**2 / DRAWS,
        "about x": 2 / pi * size,
        "about y": 0,
        "about z": 2 / pi * size,
        "area": 2 / 3 * size,
        "half turn": 2 / 3 * size,
    }


CLOSED = {
    "exact": of_an_axis(0, 1),
    "epsilon": of_an_axis(EPSILON, 1.2 * LENGTH),
    "frame": of_an_axis(FRAME, LENGTH),
    "offset": {
        "expected": 4 / 3 * OFFSET,
        "relative": 4 / 3 * OFFSET / sqrt(4 * 0.5**2 + 1.5**2 + 2.5**2),
        "squared mean": OFFSET**2 * (1 + 1 / DRAWS),
        **{f"about {axis}": 4 / pi * sqrt(2 / 3) * OFFSET for axis in "xyz"},
        "area": OFFSET,
        "half turn": pi / 2 * OFFSET,
    },
}


@pytest.fixture
def vectors():
    return {"x": torch.tensor([[0, 1, 0], [0, 2, 0]]).double().repeat(SAMPLES, 1, 1)}


def estimate(name, model, inputs, generator):
    """The measure of that name, (batch,)."""
    elements = [SO3.sample(inputs, generator) for _ in range(DRAWS)]
    given, sampled = (model, inputs, SIGNATURE), (model, inputs, SIGNATURE, generator, DRAWS)
    measures = {
        "expected": lambda: expected_error(*given, elements),
        "relative": lambda: equivariance_error(*given, elements[0]),
        "squared mean": lambda: mean_error(*given, elements) ** 2,
        **{f"about {axis}": lambda axis=axis: error_by_axis(*sampled)[axis] for axis in "xyz"},
        "area": lambda: pose_shift(*sampled).area,
        "half turn": lambda: pose_shift(*sampled).errors[-1],
    }
    return measures[name]()


@pytest.mark.parametrize("measure", CLOSED["exact"])
@pytest.mark.parametrize("probe", CLOSED)
def test_the_closed_form_is_in_the_interval(probe, measure, network, vectors, generator):
    model = network(probe, SIGNATURE, **HPARAMS[probe])
    found = interval(estimate(measure, model, vectors, generator), generator, 0.999)
    assert found.low - 1e-12 <= CLOSED[probe][measure] <= found.high + 1e-12


@pytest.mark.parametrize("measure", ["expected", "area", "about x"])
@pytest.mark.parametrize("probe", ["offset", "epsilon", "frame"])
def test_the_interval_is_narrow(probe, measure, network, vectors, generator):
    model = network(probe, SIGNATURE, **HPARAMS[probe])
    found = interval(estimate(measure, model, vectors, generator), generator, 0.999)
    assert found.high - found.low < 0.15 * CLOSED[probe][measure]


@pytest.mark.parametrize("angle", range(0, 181, 45))
def test_an_offset_errs_with_half_the_angle(angle, network, vectors, generator):
    model = network("offset", SIGNATURE, size=0.5)
    curve = pose_shift(model, vectors, SIGNATURE, generator, DRAWS)
    found = interval(curve.errors[curve.angles_deg.tolist().index(angle)], generator, 0.999)
    closed = pi / 2 * sin(angle * pi / 360) * OFFSET
    assert found.low - 1e-12 <= closed <= found.high + 1e-12


def test_the_exact_probe_is_the_identity(network, draw):
    inputs = {"x": draw(4, 3, 3)}
    assert torch.equal(network("exact", SIGNATURE)(inputs)["x"], inputs["x"])


def test_the_frame_of_no_angle_is_the_identity(network, draw):
    inputs = {"x": draw(4, 3, 3)}
    assert_close(network("frame", SIGNATURE, angle_deg=0.0)(inputs), inputs)
