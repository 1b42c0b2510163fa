"""Edges: who sends, with what weight, and that derivatives of every kind exist."""

import inspect

import pytest
import torch
from torch.func import jvp
from torch.testing import assert_close

import remul
from bench.core import plugins
from bench.peers._adapters import edges as peer_edges
from models.layers import search
from models.layers.neighbours import find_all_edges, find_edges
from remul import O3, POINT, SCALAR, VECTOR, Rep, Signature, equivariance_error

pytestmark = pytest.mark.slow  # every network

TYPES = {"mass": SCALAR, "position": POINT, "bond": Rep("2x0e", objects=2)}
SIGNATURE = Signature(TYPES, {"position": POINT, "force": VECTOR})
LINE = torch.tensor([0.0, 1.0, 3.0, 7.0], dtype=torch.float64)
everyone_or_two = pytest.mark.parametrize("neighbours", [None, 2])
every_network = pytest.mark.parametrize("name", ["egnn", "gnn"])


def on_a_line():
    return torch.nn.functional.pad(LINE[None, :, None], (0, 2))


def drawn(draw, batch=2, objects=4):
    return {n: draw(batch, *[objects] * r.objects, r.dim) for n, r in TYPES.items()}


def built(name, signature=SIGNATURE, **hparams):
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return plugins.load("models", name).build(signature, 8, 2, **hparams).double()


def test_edges_leave_out_those_from_an_object_to_itself(draw):
    fields = drawn(draw)
    assert find_edges(fields, TYPES, fields["position"]).vectors.norm(dim=-1).min() > 0


def test_edges_aggregate_to_what_all_edges_do(draw):
    fields = drawn(draw) | {"mask": torch.tensor([1.0, 0, 1, 1]).expand(2, 4)[..., None]}
    x = fields["position"]
    found, expected = (
        edges.aggregate(edges.mean_weights, torch.cat([edges.vectors, edges.features], -1))
        for edges in (find_edges(fields, TYPES, x), find_all_edges(fields, TYPES, x))
    )
    assert_close(found, expected)


def test_the_nearest_send():
    edges = find_all_edges({"position": on_a_line()}, {"position": POINT}, on_a_line(), 1)
    assert edges.gather_senders(on_a_line())[0, :, 0, 0].tolist() == [1, 0, 1, 3]


def test_padding_is_not_among_the_nearest():
    fields = {"position": on_a_line(), "mask": torch.tensor([[[1.0], [0.0], [1.0], [1.0]]])}
    edges = find_all_edges(fields, {"position": POINT}, on_a_line(), 1)
    assert edges.gather_senders(on_a_line())[0, [0, 2, 3], 0, 0].tolist() == [3, 0, 3]


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e6])
@pytest.mark.parametrize("objects", [25, 26, 60])
def test_the_nearest_are_exact_for_any_number_spread_and_unit(objects, unit, generator):
    apart = torch.arange(objects) % 2 * 1000.0  # two clusters, wide apart
    x = (torch.randn(objects, 3, generator=generator) + apart[:, None]) * unit
    edges = find_edges({}, {}, x[None], 2)
    sends = torch.zeros(objects, objects, dtype=torch.bool)
    sends.scatter_(1, edges.senders[0], edges.mean_weights[0, ..., 0] > 0)
    distances = (x.double()[:, None] - x.double()).norm(dim=-1).fill_diagonal_(torch.inf)
    round_off = 8 * torch.finfo(x.dtype).eps * x.double().norm(dim=-1).max()
    second = distances.sort().values[:, 1:2]
    assert torch.equal(sends, distances <= second + round_off)


@pytest.mark.parametrize("pairs_at_once", [1, 100])
def test_the_nearest_are_the_same_a_few_receivers_at_a_time(pairs_at_once, draw, monkeypatch):
    x = draw(2, 12, 3)
    expected = find_edges({}, {}, x, 3).senders
    monkeypatch.setattr(search, "PAIRS_AT_ONCE", pairs_at_once)
    assert torch.equal(find_edges({}, {}, x, 3).senders, expected)


def test_peers_have_the_neighbours_of_networks(draw):
    x = draw(2, 12, 3)
    receiver, sender = peer_edges(x, 3)
    senders = find_edges({}, {}, x, 3).senders
    assert_close(sender.view(2, 12, 3), senders)
    assert receiver.tolist() == torch.arange(24).repeat_interleave(3).tolist()


GOLDEN = (1 + 5**0.5) / 2
SHAPES = {
    "crystal": torch.cartesian_prod(*[torch.arange(3.0)] * 3),
    "icosahedron": torch.tensor(
        [[(0, a, b), (a, b, 0), (b, 0, a)] for a in (-1, 1) for b in (-GOLDEN, GOLDEN)]
    ).flatten(0, 1),
    "square": torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]),
}
SPARSE = [
    name
    for name in plugins.names("models")
    if "neighbours" in inspect.signature(plugins.load("models", name).build).parameters
]
CLAIMING = [name for name in SPARSE if plugins.claims_equivariance(name)]
every_shape = pytest.mark.parametrize("shape", SHAPES)


def symmetric(shape, draw):
    """A network's inputs on a symmetric shape, with velocities that are not."""
    x = SHAPES[shape].double().expand(2, -1, -1)
    return {"position": x, "velocity": draw(*x.shape)}


@pytest.mark.parametrize("count", [1, 3, 6])
@every_shape
@pytest.mark.parametrize("name", CLAIMING)
def test_networks_of_neighbours_are_exact_on_symmetric_shapes(name, shape, count, draw, generator):
    inputs = symmetric(shape, draw)
    signature = Signature({"position": POINT, "velocity": VECTOR}, {"force": VECTOR})
    model = built(name, signature, neighbours=count)
    group = getattr(remul, plugins.group_claim(name))
    elements = (group.sample(inputs, generator) for _ in range(3))
    errors = [equivariance_error(model, inputs, signature, g).max() for g in elements]
    assert max(errors) < 1e-12


@every_shape
@pytest.mark.parametrize("name", SPARSE)
def test_the_order_of_objects_on_symmetric_shapes_does_not_matter(name, shape, draw, generator):
    inputs = symmetric(shape, draw)
    signature = Signature({"position": POINT, "velocity": VECTOR}, {"force": VECTOR})
    model = built(name, signature, neighbours=3)
    order = torch.randperm(inputs["position"].shape[1], generator=generator)
    found = model({field: x[:, order] for field, x in inputs.items()})["force"]
    assert_close(found, model(inputs)["force"][:, order], rtol=1e-12, atol=1e-12)


def test_all_of_the_farthest_shell_send():
    x = SHAPES["icosahedron"].double()[None]
    weights = find_edges({}, {}, x, 3).mean_weights  # each has five others at one distance
    assert ((weights > 0).sum(2) == 5).all()


def test_ties_survive_round_off_in_float32(generator):
    x = SHAPES["icosahedron"].expand(50, -1, -1)
    moved = O3.sample({"x": x}, generator).rotation.float() @ x.mT
    assert ((find_edges({}, {}, moved.mT, 3).mean_weights > 0).sum(2) == 5).all()


def test_without_ties_the_edges_are_as_wide_as_the_neighbours(draw):
    assert find_edges({}, {}, draw(4, 30, 3), 5).senders.shape == (4, 30, 5)


def test_the_nearest_are_the_same_under_vmap(draw):
    x = torch.cat([SHAPES["square"].double()[None], draw(2, 4, 3)])

    def mean(x):
        edges = find_edges({}, {}, x[None], 1)
        return edges.aggregate(edges.mean_weights, edges.vectors)[0]

    assert_close(torch.func.vmap(mean)(x), torch.stack([mean(sample) for sample in x]))


def test_fewer_neighbours_than_none_are_refused():
    with pytest.raises(ValueError, match="at least 0, got -1"):
        find_edges({}, {}, torch.zeros(1, 3, 3), -1)


def test_fewer_real_objects_than_neighbours_share_the_weight():
    fields = {"position": on_a_line(), "mask": torch.tensor([[[1.0], [0.0], [0.0], [1.0]]])}
    edges = find_all_edges(fields, {"position": POINT}, on_a_line(), 2)
    assert edges.mean_weights[0, 0].sort(0).values.flatten().tolist() == [0, 1]


@every_network
def test_many_neighbours_are_all(name, draw):
    fields = drawn(draw)
    assert_close(built(name, neighbours=9)(fields), built(name)(fields), rtol=0, atol=0)


@every_network
def test_few_neighbours_are_less_than_all(name, draw):
    fields = drawn(draw)
    found, every = built(name, neighbours=1)(fields), built(name)(fields)
    assert (found["force"] - every["force"]).abs().max() > 1e-6


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own
@everyone_or_two
@every_network
def test_forward_derivatives_are_those_of_backward(name, neighbours, draw):
    fields, model = drawn(draw), built(name, neighbours=neighbours)
    x, along = fields["position"], draw(2, 4, 3)

    def total(x):
        return model(fields | {"position": x})["force"].square().sum()

    backward = torch.autograd.functional.jacobian(total, x)
    assert_close(jvp(total, (x,), (along,))[1], (backward * along).sum())


@everyone_or_two
@every_network
def test_second_derivatives_are_right(name, neighbours, draw):
    fields, model = drawn(draw, 1, 4), built(name, neighbours=neighbours)

    def force(x):
        return model(fields | {"position": x})["force"]

    assert torch.autograd.gradgradcheck(force, fields["position"].requires_grad_())


@every_network
def test_inference_gives_what_training_does(name, draw):
    fields, model = drawn(draw), built(name)
    with torch.inference_mode():
        found = model(fields)
    assert_close(found, model(fields), rtol=1e-13, atol=1e-13)
