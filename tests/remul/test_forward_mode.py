"""Norms under forward mode: gradients of derivatives in the weights, against finite differences."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from remul.forward_mode import differentiate_at_zero

MEAN, VARIANCE = torch.linspace(-1, 1, 6).double(), torch.linspace(1, 2, 6).double()


def direct(name, x, weight, by_batch):
    """A function of `torch` itself, whose weights come before the running statistics."""
    running = (None, None) if by_batch else (MEAN, VARIANCE)
    return getattr(torch, name)(x, weight, None, *running, by_batch, 0.1, 1e-5, False)


def tracking(x, weight):
    """In evaluation: a map that is the same whatever the sample is."""
    return functional.instance_norm(x, MEAN, VARIANCE, weight, use_input_stats=False)


NORMS = {
    "layer": lambda x, w: functional.layer_norm(x.mT, (6,), w).mT,
    "instance": lambda x, w: functional.instance_norm(x, weight=w),
    "tracking instance": tracking,
    "torch.instance": lambda x, w: direct("instance_norm", x, w, True),
    "torch.tracking instance": lambda x, w: direct("instance_norm", x, w, False),
    "batch": lambda x, w: functional.batch_norm(x, MEAN, VARIANCE, w),
    "torch.batch": lambda x, w: direct("batch_norm", x, w, False),
    "group": lambda x, w: functional.group_norm(x, 2, w),
    "rms": lambda x, w: functional.rms_norm(x.mT, (6,), w).mT,
}


@pytest.fixture
def curve(draw):
    """A function of weights and angle: features (4, 6, 5) of a linear map, normed and bent."""
    x, turned, first = draw(4, 5, 3), draw(4, 5, 3), draw(6, 3)

    def at(norm, weight, angle):
        features = ((x + angle * turned) @ (weight[:, None] * first).mT).mT
        return norm(features, weight).tanh()

    return at


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_gradients_of_a_slope_are_those_of_finite_differences(norm, curve, draw):
    weight, step = draw(6).requires_grad_(), 1e-5

    def measure(w):
        return differentiate_at_zero(lambda a: {"y": curve(norm, w, a)})[1]["y"].square().mean()

    gradient = torch.autograd.grad(measure(weight), weight)[0]
    steps = step * torch.eye(6).double()
    w = weight.detach()
    finite = torch.stack([(measure(w + e) - measure(w - e)) / (2 * step) for e in steps])
    assert_close(gradient, finite, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_values_are_those_of_the_norm_itself(norm, curve, draw):
    weight = draw(6)
    value = differentiate_at_zero(lambda a: {"y": curve(norm, weight, a)})[0]["y"]
    assert_close(value, curve(norm, weight, 0))


def test_running_statistics_move_along(draw):
    norms, x = (
        [nn.InstanceNorm1d(4, track_running_stats=True).double() for _ in range(2)],
        draw(2, 4, 5),
    )
    differentiate_at_zero(lambda angle: {"y": norms[0](x + angle)})
    norms[1](x)
    assert_close(norms[0].running_mean, norms[1].running_mean)
    assert_close(norms[0].running_var, norms[1].running_var)


def test_batch_norm_in_training_is_refused_by_either_name(draw):
    x = draw(2, 6, 5)
    with pytest.raises(ValueError, match="batch norm in training"):
        differentiate_at_zero(lambda angle: {"y": direct("batch_norm", x + angle, None, True)})


def test_derivatives_are_the_same_in_inference_mode(draw):
    x, turned, weight = draw(4, 3), draw(4, 3), draw(3).requires_grad_()
    measure = lambda x: differentiate_at_zero(lambda a: {"y": (weight * (x + a * turned)).sin()})  # noqa: E731
    with torch.inference_mode():
        inside = measure(x.clone())
    assert_close(inside, measure(x))
    assert not any(one["y"].requires_grad for one in inside)
