"""Callables of other shapes as models."""

import pickle

import pytest
import torch
from torch.testing import assert_close

from remul import VECTOR, Element, Signature, adapt, equivariance_error

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(3, 1)


def ask(net, fields):
    return net(fields["x"])


def test_positional_arguments_and_one_output():
    net = Net()
    assert_close(adapt(net, ask, "energy")({"x": X})["energy"], net(X))


@pytest.mark.parametrize("kind", [tuple, list])
def test_outputs_are_named_in_order(kind):
    model = adapt(lambda x: kind([x, 2 * x]), ask, ["once", "twice"])
    assert_close(model({"x": X}), {"once": X, "twice": 2 * X})


def test_outputs_may_have_names():
    model = adapt(lambda x: {"energy": x}, ask)
    assert_close(model({"x": X}), {"energy": X})


def test_numbers_become_components():
    assert adapt(lambda x: x.sum(-1), ask, "energy")({"x": X})["energy"].shape == (4, 1)


def test_parameters_and_mode_are_those_of_the_model():
    net = Net()
    model = adapt(net, ask, "energy").eval()
    assert [*model.parameters()] == [*net.parameters()]
    assert not net.training


def test_it_can_be_sent_to_a_worker():
    model = adapt(Net(), ask, "energy")
    assert_close(pickle.loads(pickle.dumps(model))({"x": X}), model({"x": X}))


WRONG = {
    "too many": (lambda x: (x, x), "energy", "gives 2 outputs, those named are energy"),
    "too few": (lambda x: x, ["energy", "force"], "gives 1 outputs, those named are energy, force"),
    "no names": (lambda x: (x, x), None, "gives a tuple: name its outputs"),
    "no tensor": (lambda x: None, "energy", "'energy' as a NoneType, not a tensor"),
}


@pytest.mark.parametrize(("function", "names", "words"), WRONG.values(), ids=WRONG)
def test_outputs_that_do_not_fit_their_names_are_told(function, names, words):
    with pytest.raises(ValueError, match=words):
        adapt(function, ask, names)({"x": X})


def test_an_adapted_callable_is_measured():
    model = adapt(lambda x, by: (by * x,), lambda net, fields: net(fields["x"], 2), ["y"])
    signature = Signature({"x": VECTOR}, {"y": VECTOR})
    quarter = torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])
    g = Element(quarter, torch.zeros(1, 3))
    assert equivariance_error(model, {"x": X}, signature, g).max() < 1e-6
