"""EGNN beside free paths: EGNN itself where they weigh nothing."""

import pytest
import torch

from models.discovery import relaxed_egnn
from remul import E3, POINT, SCALAR, VECTOR, Signature, equivariance_error

TYPES = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(TYPES, {"position": POINT, "velocity": VECTOR})


@pytest.fixture
def inputs(draw):
    return {name: draw(5, 4, rep.dim) for name, rep in TYPES.items()}


def build(start):
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        return relaxed_egnn.build(SIGNATURE, channels=8, layers=2, start=start).double()


def test_without_the_free_paths_it_is_egnn(network, inputs):
    relaxed, egnn = build(0.0), network("egnn", SIGNATURE, channels=8, layers=2)
    weights = {n.replace(".exact.", "."): w for n, w in relaxed.state_dict().items()}
    egnn.load_state_dict({name: weights[name] for name in egnn.state_dict()})
    outputs = egnn(inputs)
    assert all(torch.equal(x, outputs[name]) for name, x in relaxed(inputs).items())


@pytest.mark.parametrize(("start", "exact"), [(0.0, True), (0.1, False)])
def test_it_is_as_equivariant_as_the_weights_of_its_free_paths(start, exact, inputs, generator):
    g = E3.sample(inputs, generator)
    error = equivariance_error(build(start), inputs, SIGNATURE, g).max()
    assert (error < 1e-12) if exact else (error > 1e-4)


def test_its_gammas_are_weights_that_learn():
    gammas = build(0.1).gammas()
    assert list(gammas) == ["gamma_1", "gamma_2"]
    assert all(gamma.requires_grad and gamma.shape == () for gamma in gammas.values())
