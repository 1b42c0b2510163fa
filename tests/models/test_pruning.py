"""Backward passes of trained forces go to the weights, and to inputs that ask for it, alone."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from models.layers import conservative
from models.layers.conservative import ENERGY, Conservative
from remul import POINT, SCALAR, VECTOR, Signature

SIGNATURE = Signature({"position": POINT}, {"energy": ENERGY, "force": VECTOR})


class Well(nn.Module):
    """An energy of the distance from the origin, of a depth that is learned; keeps its inputs."""

    def __init__(self, signature):
        super().__init__()
        assert signature.outputs == {"energy": SCALAR}
        self.depth = nn.Parameter(torch.tensor(2.0).double())

    def forward(self, inputs):
        self.place = inputs["position"]
        self.feature = self.depth * self.place.square().sum(-1, keepdim=True)
        return {"energy": self.feature.sin()}


@pytest.fixture
def model():
    return Conservative(Well, SIGNATURE)


@pytest.fixture
def x(draw):
    return draw(2, 3, 3)


def loss(outputs):
    return outputs["force"].square().sum() + outputs["energy"].square().sum()


def gradient(model, x, **options):
    (found,) = torch.autograd.grad(loss(model({"position": x})), model.parameters(), **options)
    return found


def test_weights_have_the_gradients_of_a_pass_to_everything(model, x, monkeypatch):
    found = gradient(model, x)
    monkeypatch.setattr(conservative, "prune", lambda outputs, _: outputs)
    assert_close(found, gradient(model, x), rtol=1e-12, atol=1e-12)


def test_places_that_nobody_asked_for_get_no_gradient(model, x):
    loss(model({"position": x})).backward()
    assert model.network.depth.grad is not None
    assert model.network.place.grad is None


def test_places_that_ask_for_a_gradient_get_it(model, x, monkeypatch):
    x.requires_grad_()
    found = torch.autograd.grad(loss(model({"position": x})), x)
    monkeypatch.setattr(conservative, "prune", lambda outputs, _: outputs)
    assert_close(found, torch.autograd.grad(loss(model({"position": x})), x))


def test_gradients_of_gradients_are_those_of_a_pass_to_everything(model, x, monkeypatch):
    def curve():
        first = gradient(model, x, create_graph=True)
        return torch.autograd.grad(first, model.parameters())

    found = curve()
    monkeypatch.setattr(conservative, "prune", lambda outputs, _: outputs)
    assert_close(found, curve(), rtol=1e-12, atol=1e-12)


def test_a_loss_may_hang_on_features_as_well(model, x):
    outputs = model({"position": x})
    (loss(outputs) + model.network.feature.sum()).backward()
    expected = gradient(model, x) + x.square().sum()
    assert_close(model.network.depth.grad, expected, rtol=1e-12, atol=1e-12)


def test_an_energy_without_weights_has_forces(x):
    class Fixed(nn.Module):
        def __init__(self, signature):
            super().__init__()

        def forward(self, inputs):
            return {"energy": inputs["position"].square().sum(-1, keepdim=True)}

    assert_close(Conservative(Fixed, SIGNATURE)({"position": x})["force"], -2 * x)
