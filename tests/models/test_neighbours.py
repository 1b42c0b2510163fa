"""Edges: who sends, with what weight, and that derivatives of every kind exist."""

import pytest
import torch
from torch.func import jvp
from torch.testing import assert_close

from bench.core import plugins
from models.layers.neighbours import find_all_edges, find_edges
from remul import POINT, SCALAR, VECTOR, Rep, Signature

TYPES = {"mass": SCALAR, "position": POINT, "bond": Rep("2x0e", objects=2)}
SIGNATURE = Signature(TYPES, {"position": POINT, "force": VECTOR})
LINE = torch.tensor([0.0, 1.0, 3.0, 7.0], dtype=torch.float64)
everyone_or_two = pytest.mark.parametrize("neighbours", [None, 2])
every_network = pytest.mark.parametrize("name", ["egnn", "gnn"])


def on_a_line():
    return torch.nn.functional.pad(LINE[None, :, None], (0, 2))


def drawn(draw, batch=2, objects=4):
    return {n: draw(batch, *[objects] * r.objects, r.dim) for n, r in TYPES.items()}


def built(name, **hparams):
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return plugins.load("models", name).build(SIGNATURE, 8, 1, **hparams).double()


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
