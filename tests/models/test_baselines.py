"""The baselines of the papers' tables against slow references: HEGNN, radial field, MPNN."""

import pytest
import torch
from torch.testing import assert_close

from models import mpnn
from models.layers.fields import centroid, coordinates
from models.layers.neighbours import find_all_edges, find_edges
from remul import POINT, SCALAR, SO3, VECTOR, Rep, Signature, act, wigner

TYPES = {"charge": SCALAR, "position": POINT}
SIGNATURE = Signature(TYPES, {"position": POINT, "energy": SCALAR})


@pytest.fixture
def inputs(draw):
    return {name: draw(2, 5, rep.dim) for name, rep in TYPES.items()}


def starts(model, inputs):
    """The steerable features that HEGNN's layers begin with."""
    h, x, _ = model.encoder(inputs)
    return model.start(h, find_edges(inputs, TYPES, x))


def test_steerable_features_turn_by_degree(network, inputs, generator):
    model, g = network("hegnn", SIGNATURE, channels=8), SO3.sample(inputs, generator)
    parts = starts(model, inputs).split([3, 5, 7], -1)
    turned = [
        part @ wigner(degree, g.rotation).mT for degree, part in zip((1, 2, 3), parts, strict=True)
    ]
    assert_close(starts(model, act(g, inputs, TYPES)), torch.cat(turned, -1))


def test_each_degree_has_one_inner_product(network, draw):
    table = network("hegnn", SIGNATURE, channels=8).by_degree
    a, b = draw(15), draw(15)
    products = [(x * y).sum() for x, y in zip(a.split([3, 5, 7]), b.split([3, 5, 7]), strict=True)]
    assert_close((a * b) @ table, torch.stack(products))


def test_degrees_tell_apart_what_distances_do_not(network):
    """An angle at one object, whose messages are of distances, and in a cell of no centroid."""
    angles = torch.tensor([0.5, 2.5]).double()
    ends = torch.stack([angles.cos(), angles.sin(), torch.zeros(2).double()], -1)
    middle, start = torch.zeros(2, 3).double(), torch.tensor([[1.0, 0, 0]] * 2).double()
    fields = {
        "charge": torch.ones(6, 1).double(),
        "position": torch.stack([middle, start, ends], 1).flatten(0, 1),
        "cell": torch.zeros(2, 9).double(),
        "batch": torch.tensor([0, 0, 0, 1, 1, 1]),
        "edge_index": torch.tensor([[0, 1, 0, 2, 3, 4, 3, 5], [1, 0, 2, 0, 4, 3, 5, 3]]),
    }
    types = TYPES | {"cell": Rep("3x1o", objects=0)}

    def differ(name):
        model = network(name, Signature(types, {"energy": SCALAR}), channels=8, layers=1)
        energy = model(fields)["energy"]
        return (energy[0] - energy[3]).abs().item()

    assert differ("egnn") < 1e-12 < 1e-8 < differ("hegnn")


def test_a_hegnn_of_no_degree_is_an_egnn(network, inputs):
    model, egnn = network("hegnn", SIGNATURE, degree=0), network("egnn", SIGNATURE)
    weights = {name.replace(".egnn.", "."): x for name, x in model.state_dict().items()}
    egnn.load_state_dict(weights)
    assert_close(model(inputs), egnn(inputs), rtol=0, atol=0)


def test_hegnn_refuses_a_negative_degree(network):
    with pytest.raises(ValueError, match="hegnn needs a degree of at least 0, got -1"):
        network("hegnn", SIGNATURE, degree=-1)


def test_a_radial_field_moves_points_along_their_pairs(network, inputs):
    layer = network("radial_field", SIGNATURE, channels=8).layers[0]
    x, h = inputs["position"], inputs["charge"].repeat(1, 1, 8)
    expected = x.clone()
    for sample in range(2):
        for i in range(5):
            for j in set(range(5)) - {i}:
                pair, apart = h[sample, [i, j]], x[sample, i] - x[sample, j]
                squared = apart.square().sum().log1p()[None]
                hidden = layer.messages.receive(pair[0]) + layer.messages.send(pair[1])
                message = layer.messages.message(hidden + layer.messages.edge(squared))
                expected[sample, i] += apart * layer.edge_weight(message) / 4
    v = x.new_zeros(2, 5, 0, 3)
    assert_close(layer(h, x, v, find_edges(inputs, TYPES, x)), expected)


def test_a_radial_field_passes_nothing_on(network, inputs):
    """A third object's charge moves no other but by its own pull, in a single layer."""
    model = network("radial_field", SIGNATURE, channels=8, layers=2)
    assert not any(name.startswith("layers.0.update") for name, _ in model.named_parameters())


@pytest.mark.parametrize("neighbours", [None, 2])
def test_messages_are_matrices_of_the_edge_times_the_sender(neighbours, network, inputs, draw):
    model = network("mpnn", SIGNATURE, channels=6)
    x = coordinates(inputs, TYPES, centroid(inputs, TYPES))
    edges, h = find_all_edges(inputs, TYPES, x, neighbours), draw(2, 5, 6)
    filters = edges.mean_weights * model.filters(model.see(edges))
    matrices = model.message.weight.view(6, mpnn.FILTERS, 6)
    matrices = torch.einsum("bikf,ofc->bikoc", filters, matrices)
    sent = edges.gather_senders(h).expand(-1, 5, -1, -1)
    expected = torch.einsum("bikoc,bikc->bio", matrices, sent) + model.message.bias
    assert_close(model.message(mpnn.sum_filtered(h, filters, edges)), expected)


def test_the_state_is_updated_by_a_gated_unit(network, draw):
    model = network("mpnn", Signature({"x": VECTOR}, {"x": VECTOR}), channels=4)
    unit = torch.nn.GRUCell(4, 4).double()
    into, state = model.gates.weight.split(4, 1)
    order = [4, 5, 6, 7, 0, 1, 2, 3]  # torch resets first
    with torch.no_grad():
        unit.weight_ih.copy_(torch.cat([into[order], model.from_message.weight]))
        unit.weight_hh.copy_(torch.cat([state[order], model.from_state.weight]))
        unit.bias_ih.copy_(torch.cat([model.gates.bias[order], model.from_message.bias]))
        unit.bias_hh.copy_(torch.cat([torch.zeros(8).double(), model.from_state.bias]))
    h, message = draw(3, 4), draw(3, 4)
    assert_close(model.update(h, message), unit(message, h))
