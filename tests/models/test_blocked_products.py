"""Products in blocks of edges: as all at once, with all their derivatives, in less room."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from bench.timing import counters
from models import nequip
from models.layers import edge_blocks, tensor_product_backends
from models.layers.blocked_products import sum_blocks
from models.layers.conservative import ENERGY, Conservative
from models.layers.edge_blocks import cut_blocks, find_senders
from models.layers.neighbours import find_all_edges
from models.layers.product_derivatives import Path, Sums
from remul import POINT, SCALAR, VECTOR, Rep, Signature

INPUTS = {"charge": SCALAR, "position": POINT}
FORCES = Signature(INPUTS, {"energy": ENERGY, "force": VECTOR})
VECTORS = Signature(INPUTS, {"position": POINT, "force": VECTOR, "torque": Rep("1e+0o")})
GRAPHS = {
    "all": {},
    "all of degree 2": {"degree": 2},
    "neighbours": {"neighbours": 4},
    "cutoff": {"cutoff": 1.2},
    "cutoff, listed": {"cutoff": 1.2, "objects": 40},
    "few": {"objects": 4},
    "ragged": {"ragged": True},
}

every_graph = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)


def conservative(signature, **options):
    return Conservative(partial(nequip.build, **options), signature)


@pytest.fixture(params=[10, 64, 10**6])
def size(request, monkeypatch):
    """Edges in a block: less than those of a sample, some samples, all."""
    monkeypatch.setattr(edge_blocks, "EDGES", request.param)


def made(build, signature, draw, objects=9, ragged=False, channels=4, **options):
    """The network in float64 and its inputs."""
    torch.random.manual_seed(0)
    model = build(signature, channels=channels, layers=2, **options).double()
    inputs = {name: draw(2, objects, rep.dim) for name, rep in INPUTS.items()}
    if ragged:
        batch = torch.arange(2).repeat_interleave(objects)[:-2]
        inputs = {name: x.flatten(0, 1)[:-2] for name, x in inputs.items()} | {"batch": batch}
    return model, inputs


def slopes(model, inputs):
    """Outputs, and the derivatives of a loss of them in weights and inputs."""
    inputs = {n: x.requires_grad_() if x.is_floating_point() else x for n, x in inputs.items()}
    outputs = model(inputs)
    loss = sum(x.square().sum() + (x**3).sum() for x in outputs.values())
    leaves = [*model.parameters(), *(x for x in inputs.values() if x.requires_grad)]
    return outputs, torch.autograd.grad(loss, leaves, allow_unused=True)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("build", [nequip.build, conservative], ids=["vectors", "forces"])
@every_graph
def test_blocks_give_the_values_and_slopes_of_all_at_once(build, graph, draw, monkeypatch):
    signature = VECTORS if build is nequip.build else FORCES
    model, inputs = made(build, signature, draw, **graph)
    found = slopes(model, inputs)
    monkeypatch.setattr(tensor_product_backends, "can_block", lambda x: False)
    assert_close(found, slopes(model, inputs), rtol=1e-9, atol=1e-11)


def factors(draw, neighbours):
    """A call of `sum_blocks` with what it takes: two senders, three paths, one of them diagonal."""
    edges = find_all_edges({}, {}, draw(2, 4, 3), neighbours)
    senders, blocks = find_senders(edges, 1), cut_blocks(edges)
    paths = [Path(0, 0, False), Path(1, 1, True), Path(1, 2, False)]
    rows, k = 8, edges.vectors.shape[2]
    diagonal = torch.kron(torch.eye(3).double(), draw(rows, 1, k))
    held = [each.arrange(draw(2, 4, m, 2)) for each, m in zip(senders, (1, 3), strict=True)]
    matrices = [draw(rows, 3, k), draw(rows, 1, 3 * k)]
    tensors = [draw(rows, k, 3), draw(6, 3), *held, *matrices]

    def call(hidden, weight, scalars, vectors, first, last):
        sums = Sums(paths, senders, blocks)
        return sum_blocks(sums, hidden, weight, [scalars, vectors], [first, diagonal, last])

    return call, [x.requires_grad_() for x in tensors]


@pytest.mark.slow
@pytest.mark.parametrize("neighbours", [None, 2])
def test_derivatives_are_those_of_differences(neighbours, draw, monkeypatch):
    monkeypatch.setattr(edge_blocks, "EDGES", 10)
    call, tensors = factors(draw, neighbours)
    assert torch.autograd.gradcheck(call, tensors)
    assert torch.autograd.gradgradcheck(call, tensors)


def third(model, inputs):
    """A third derivative of the energy, in the places, and the weights' gradients of its size."""
    x = inputs["position"].detach().requires_grad_()
    y = model(inputs | {"position": x})["energy"].sum()
    for _ in range(3):
        (y,) = torch.autograd.grad(y.sin().sum(), x, create_graph=True)
    return y, torch.autograd.grad(y.square().sum(), model.parameters(), allow_unused=True)


@pytest.mark.parametrize("neighbours", [None, 4])
def test_third_derivatives_are_those_of_all_at_once(neighbours, draw, monkeypatch):
    signature = Signature(INPUTS, {"energy": ENERGY})
    model, inputs = made(nequip.build, signature, draw, neighbours=neighbours)
    found = third(model, inputs)
    monkeypatch.setattr(tensor_product_backends, "can_block", lambda x: False)
    assert_close(found, third(model, inputs), rtol=1e-8, atol=1e-9)


def test_training_of_forces_takes_less_than_half_the_room(draw, monkeypatch):
    model, inputs = made(conservative, FORCES, draw, objects=40, channels=32)

    def step():
        model(inputs)["force"].square().sum().backward()

    step()
    found = counters.peak_bytes(step)
    monkeypatch.setattr(tensor_product_backends, "can_block", lambda x: False)
    assert found < 0.5 * counters.peak_bytes(step)


def test_hooks_of_the_radial_weights_see_them(draw):
    model, inputs = made(nequip.build, VECTORS, draw)
    expected, seen = model(inputs), []
    model.layers[0].radial[-1].register_forward_hook(lambda *args: seen.append(args[-1].shape[:3]))
    assert_close(model(inputs), expected, rtol=1e-12, atol=1e-12)
    assert seen == [(2, 9, 9)]
