"""PaiNN's messages and the frames of the vector field network against slow references."""

from math import cos, sin

import pytest
import torch
from torch.nn.functional import mse_loss
from torch.testing import assert_close

from bench.core import plugins
from models import drift, evfn, painn
from models.layers.edges import Edges
from models.layers.neighbours import find_all_edges
from remul import POINT, SCALAR, SO3, VECTOR, Signature, equivariance_error

BODIES = Signature({"charge": SCALAR, "position": POINT}, {"position": POINT})


def senders_of_all():
    """The rows of all four objects of two samples, for each receiver."""
    return torch.arange(8).view(2, 1, 4).expand(2, 4, 4)


def test_drift_with_points_is_a_map_of_two_numbers(draw):
    signature = Signature({"position": POINT, "velocity": VECTOR}, {"position": POINT})
    model = drift.build(signature, points=True).double()
    inputs = {"position": draw(2, 4, 3), "velocity": draw(2, 4, 3)}
    assert model.times.numel() == 2
    model.times.data = torch.tensor([[-0.3, 2.0]]).double()
    centre = inputs["position"].mean(1, keepdim=True)
    shrunk = centre + 0.7 * (inputs["position"] - centre)
    assert_close(model(inputs)["position"], shrunk + 2.0 * inputs["velocity"])
    g = SO3.sample(inputs, torch.Generator().manual_seed(0))
    assert equivariance_error(model, inputs, signature, g).max() < 1e-12


def test_drift_that_turns_is_a_rotation_about_the_angular_momentum(draw):
    signature = Signature({"position": POINT, "velocity": VECTOR}, {"position": POINT})
    model = drift.build(signature, turning=True).double()
    x, angle = draw(2, 4, 3), 0.4
    spin = draw(2, 1, 3)
    centre = x.mean(1, keepdim=True)
    momentum = torch.linalg.cross(x - centre, v := draw(2, 4, 3)).sum(1, keepdim=True)
    axis = momentum / momentum.norm(dim=-1, keepdim=True)
    model.times.data = torch.tensor([[cos(angle) - 1, 0, 1 - cos(angle), sin(angle)]]).double()
    rotation = torch.linalg.matrix_exp(angle * cross_matrix(axis.squeeze(1)))
    turned = centre + (x - centre) @ rotation.mT
    inputs = {"position": x, "velocity": v + spin}  # the whole may move
    assert_close(model(inputs)["position"], turned)
    g = SO3.sample(inputs, torch.Generator().manual_seed(0))
    assert equivariance_error(model, inputs, signature, g).max() < 1e-12


def cross_matrix(axis):
    """The matrix that takes a vector to its cross product with the axis, (batch, 3, 3)."""
    return torch.linalg.cross(axis[:, None], torch.eye(3).double().expand(len(axis), 3, 3)).mT


def test_drift_without_velocities_does_not_turn():
    with pytest.raises(ValueError, match="a point and a vector among the inputs"):
        drift.build(Signature({"position": POINT}, {"position": POINT}), turning=True)


@pytest.mark.parametrize("gathered", [False, True])
def test_messages_of_painn_are_its_sums_over_pairs(gathered, draw):
    basis, arrows = draw(2, 4, 4, 3), draw(2, 4, 4, 3)
    sent, v, filters = draw(2, 4, 15), draw(2, 4, 3, 5), draw(3, 15)
    scalars, vectors = torch.zeros(2, 4, 5).double(), torch.zeros(2, 4, 3, 5).double()
    for sample, i, j in torch.cartesian_prod(*map(torch.arange, (2, 4, 4))):
        message = sent[sample, j] * (basis[sample, i, j] @ filters)
        scalar, stretch, push = message.split(5)
        scalars[sample, i] += scalar
        vectors[sample, i] += stretch * v[sample, j] + push * arrows[sample, i, j][:, None]
    (to_s, to_vv, to_vs), mixes = sent.chunk(3, -1), filters.chunk(3, -1)
    parts = zip((to_s, to_vv, to_vs), mixes, strict=True)
    edges = Edges(arrows, None, None, senders_of_all() if gathered else None)
    found = painn.aggregation(edges, basis, arrows)(*parts, v)
    assert_close(found, (scalars, vectors))


def test_the_nearest_neighbours_alone_send(network, draw):
    model = network("painn", BODIES, channels=8, layers=1, neighbours=2)
    inputs = {"charge": draw(3, 6, 1), "position": draw(3, 6, 3)}
    apart = torch.cdist(inputs["position"], inputs["position"])
    ranks = apart.argsort(2).argsort(2)  # 0 is the object itself
    moved = torch.autograd.functional.jacobian(
        lambda q: model(inputs | {"charge": q})["position"].sum((0, 2)), inputs["charge"]
    )  # (receiver, sample, sender, 1)
    senders = moved.squeeze(-1).transpose(0, 1) != 0
    assert torch.equal(senders, ranks <= 2)


def test_as_many_neighbours_as_others_are_all(network, draw):
    inputs = {"charge": draw(3, 6, 1), "position": draw(3, 6, 3)}
    few = painn.build(BODIES, 8, 2, 5).double()
    every = painn.build(BODIES, 8, 2).double()
    every.load_state_dict(few.state_dict())
    assert_close(few(inputs), every(inputs))


def frames_of(x):
    """The edges between all objects, and their frames."""
    edges = find_all_edges({}, {}, x)
    return edges, evfn.build_frames(x, edges.vectors, edges)


def test_frames_are_orthogonal_and_right_handed(draw):
    _, axes = frames_of(draw(2, 4, 3))
    i, j = torch.triu_indices(4, 4, 1)
    e1, e2, e3 = axes[:, i, j].unbind(2)
    assert_close((e1 * e2).sum(-1), torch.zeros(2, 6).double())
    assert_close(torch.linalg.cross(e1, e2), e3)


def test_components_are_inner_products_with_the_axes_of_the_pair(draw):
    (edges, axes), v = frames_of(draw(2, 4, 3)), draw(2, 4, 2, 3)
    own = torch.einsum("zijac,zikc->zijak", axes, v)
    other = torch.einsum("zijac,zjkc->zijak", axes, v)
    expected = torch.cat([own.flatten(3), other.flatten(3)], -1)
    assert_close(evfn.scalarize(axes, v, edges), expected)


def chiral(generator, size):
    """Charges move along x_i x x_j: no map that commutes with reflections fits that."""
    charge = torch.randint(2, (size, 5, 1), generator=generator) * 2.0 - 1
    x = torch.randn(size, 5, 3, generator=generator)
    x = x - x.mean(1, keepdim=True)
    turn = torch.linalg.cross(*torch.broadcast_tensors(x[:, :, None], x[:, None]))
    turn = turn / (1 + turn.norm(dim=-1, keepdim=True))
    moved = (charge[:, :, None] * charge[:, None] * turn).sum(2) / 4
    return {"charge": charge, "position": x}, x + moved


def share_left(name, generator, steps):
    """Test error on the chiral target, over that of standing still."""
    train, test = chiral(generator, 1024), chiral(generator, 512)
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(0)
        model = plugins.load("models", name).build(BODIES, channels=16, layers=2)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(steps):
        rows = torch.randint(1024, (64,), generator=generator)
        inputs = {field: x[rows] for field, x in train[0].items()}
        optimiser.zero_grad()
        mse_loss(model(inputs)["position"], train[1][rows]).backward()
        optimiser.step()
    with torch.no_grad():
        found = mse_loss(model(test[0])["position"], test[1])
    return (found / mse_loss(test[0]["position"], test[1])).item()


@pytest.mark.slow
def test_frames_tell_left_from_right(generator):
    assert share_left("evfn", generator, 200) < 0.1


@pytest.mark.parametrize("name", ["egnn", "painn"])
@pytest.mark.slow
def test_networks_of_distances_do_not(name, generator):
    assert share_left(name, generator, 100) > 0.95
