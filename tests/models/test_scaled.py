"""Scaled outputs: the units of a task, and what stays true in them."""

import pytest
import torch
from torch.testing import assert_close

from bench.core.networks import build_network
from models.layers.conservative import ENERGY, FORCE
from remul import E3, POINT, SCALAR, Signature, equivariance_error

SIGNATURE = Signature({"position": POINT, "charge": SCALAR}, {"energy": ENERGY, "force": FORCE})
BOTH = {"energy": 24.0, "force": 24.0}


@pytest.fixture
def inputs(draw):
    return {"position": draw(2, 5, 3), "charge": draw(2, 5, 1)}


def scaled(scales, **options):
    torch.random.manual_seed(0)
    return build_network("egnn", SIGNATURE, scales, channels=8, layers=2, **options).double()


def test_fields_are_multiplied_by_their_scales(inputs):
    plain, model = scaled({}), scaled({"energy": 2.0, "force": 24.0})
    wanted = {"energy": 2 * plain(inputs)["energy"], "force": 24 * plain(inputs)["force"]}
    assert_close(model(inputs), wanted)


def test_what_was_exact_stays_exact(inputs, generator):
    g = E3.sample(inputs, generator)
    model = scaled({"energy": 2.0, "force": 24.0})
    assert equivariance_error(model, inputs, SIGNATURE, g).max() < 1e-12


def test_scaled_forces_stay_minus_the_gradient_of_the_scaled_energy(inputs):
    x = inputs["position"].requires_grad_()
    outputs = scaled(BOTH, conservative=True)(inputs)
    (slope,) = torch.autograd.grad(outputs["energy"].sum(), x)
    assert_close(outputs["force"], -slope)


def test_an_energy_and_its_gradient_have_one_scale():
    with pytest.raises(ValueError, match="one scale"):
        scaled({"energy": 2.0, "force": 24.0}, conservative=True)


def test_weights_take_their_scales_along(inputs):
    model, other = scaled(BOTH), scaled({"energy": 1.0, "force": 1.0})
    other.load_state_dict(model.state_dict())
    assert_close(other(inputs), model(inputs))


@pytest.mark.parametrize("scales", [{"energy": 0.0}, {"energy": -1.0}, {"charge": 2.0}])
def test_other_scales_are_refused(scales):
    with pytest.raises(ValueError, match="a scale is above 0"):
        scaled(scales)


def test_points_have_no_scale():
    signature = Signature({"position": POINT}, {"position": POINT})
    with pytest.raises(ValueError, match="no point"):
        build_network("egnn", signature, {"position": 2.0})
