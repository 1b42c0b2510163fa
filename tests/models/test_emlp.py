"""The equivariant MLP, its free path, and the two methods that keep that small."""

import pytest
import torch
from torch.testing import assert_close

from bench.core import plugins
from bench.tasks import nbody_gravity
from models import emlp
from models.layers.vector_mlp import Sizes, VectorLayer
from remul import E3, POINT, SCALAR, VECTOR, Signature, equivariance_error

SIGNATURE = Signature(
    {"mass": SCALAR, "position": POINT, "velocity": VECTOR}, {"position": POINT, "energy": SCALAR}
)


def build(free):
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return emlp.build(SIGNATURE, channels=24, objects=5, free=free).double()


def error(model, draw, generator):
    inputs = {name: draw(4, 5, rep.dim) for name, rep in SIGNATURE.inputs.items()}
    return equivariance_error(model, inputs, SIGNATURE, E3.sample(inputs, generator)).max()


def test_only_the_free_path_breaks_the_symmetry(draw, generator):
    model = build(free=True)
    assert error(model, draw, generator) > 1e-2
    for layer in model.layers:
        layer.free.weight.data.zero_()
    assert error(model, draw, generator) < 1e-12
    assert error(build(free=False), draw, generator) < 1e-12


def test_what_the_projection_leaves_is_equivariant(draw, generator):
    model = build(free=True)
    for layer in model.layers:
        layer.free.weight.data.sub_(layer.asymmetric_part().detach())
    assert model.asymmetry() < 1e-24
    assert max(layer.free.weight.abs().max() for layer in model.layers) > 0
    assert error(model, draw, generator) < 1e-12


def test_the_projection_is_the_average_over_rotations(generator):
    layer = VectorLayer(Sizes(2, 2), Sizes(1, 2), free=True, activate=False).double()
    weight = layer.free.weight.detach()
    turns = E3.sample({"v": torch.zeros(4000, 1, 3)}, generator).rotation
    after = torch.stack([torch.block_diag(torch.eye(1), turn, turn) for turn in turns]).double()
    before = torch.stack([torch.block_diag(torch.eye(2), turn, turn) for turn in turns]).double()
    mean = (after.mT @ weight @ before).mean(0)
    assert_close(mean, weight - layer.asymmetric_part().detach(), rtol=0, atol=0.03)


@pytest.mark.parametrize(("name", "options"), [("rpp", {"free": 100.0}), ("per", {"beta": 1.0})])
def test_both_methods_bring_the_network_towards_symmetry(name, options, draw, generator):
    task = nbody_gravity.load(0, train=32, val=4, test=4, ood=4)
    method = plugins.load("methods", name).build(task, **options)
    torch.random.manual_seed(0)
    model = emlp.build(task.signature, channels=24, objects=5, free=True)
    optimiser, before = torch.optim.Adam(model.parameters(), lr=1e-2), model.asymmetry().item()
    for _ in range(40):
        optimiser.zero_grad()
        method.penalty(method.terms(method.wrap(model), task.train, generator)).backward()
        optimiser.step()
    assert model.asymmetry().item() < 0.1 * before


@pytest.mark.parametrize("name", ["rpp", "per"])
def test_a_network_without_a_free_path_is_refused(name):
    task = nbody_gravity.load(0, train=4, val=4, test=4, ood=4)
    method = plugins.load("methods", name).build(task)
    for model in (emlp.build(task.signature, channels=24, objects=5), torch.nn.Linear(1, 1)):
        with pytest.raises(ValueError, match="needs a network with a free path"):
            method.wrap(model)


def test_more_objects_than_places_are_refused(draw):
    inputs = {name: draw(2, 6, rep.dim) for name, rep in SIGNATURE.inputs.items()}
    with pytest.raises(ValueError, match="up to 5 objects, got 6"):
        build(free=False)(inputs)
