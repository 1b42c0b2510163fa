"""The Hessian's largest eigenvalue and trace against those of the whole matrix."""

import pytest
import torch
from torch.autograd.functional import hessian
from torch.overrides import TorchFunctionMode
from torch.testing import assert_close

from remul import POINT, SCALAR, VECTOR, Signature, curvature


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("sign", [1, -1])
def test_they_are_those_of_a_quadratic_form(sign, draw, generator):
    values = sign * torch.tensor([5.0, 2.0, 1.0, -0.5]).double()
    axes = torch.linalg.qr(draw(4, 4))[0]
    matrix = axes @ values.diag() @ axes.mT
    w = draw(4).requires_grad_()
    found = curvature(w @ matrix @ w / 2, [w], generator, iterations=200, probes=3000)
    assert found.largest.item() == pytest.approx(sign * 5.0, rel=1e-2)
    assert found.trace.item() == pytest.approx(sign * 7.5, rel=5e-2)


def test_they_are_those_of_a_small_network(draw, generator):
    x, y, shapes = draw(20, 3), draw(20, 2), [(4, 3), (2, 4)]
    weights = [draw(*shape) for shape in shapes]

    def loss(flat):
        first, second = (p.view(s) for p, s in zip(flat.split([12, 8]), shapes, strict=True))
        return ((x @ first.mT).tanh() @ second.mT - y).square().mean()

    flat = torch.cat([w.flatten() for w in weights])
    values = torch.linalg.eigvalsh(hessian(loss, flat))
    flat.requires_grad_()
    found = curvature(loss(flat), [flat], generator, iterations=500, probes=3000)
    assert found.largest.item() == pytest.approx(values[values.abs().argmax()].item(), rel=2e-2)
    assert found.trace.item() == pytest.approx(values.sum().item(), rel=1e-1)


@pytest.mark.parametrize("name", ["transformer", "gnn", "egnn", "tfn", "segnn", "gatr", "painn"])
@pytest.mark.slow
def test_networks_are_differentiated_twice(name, network, draw, generator):
    types = {"mass": SCALAR, "position": POINT, "velocity": VECTOR}
    model = network(name, Signature(types, {"position": POINT}), channels=8, layers=1)
    output = model({n: draw(3, 4, rep.dim) for n, rep in types.items()})["position"]
    found = curvature(output.square().mean(), model.parameters(), generator, 5, 2)
    assert all(x.isfinite() for x in found)


def test_a_linear_loss_has_none(draw, generator):
    w = draw(3).requires_grad_()
    assert curvature(w.sum(), [w], generator) == (0, 0)


def bilinear(v):
    """+1 and -1, whatever the weights are."""
    return v[0] * v[1]


def linear_net(v):
    """Two layers at zero: pairs of eigenvalues of both signs, and nothing between."""
    x = torch.linspace(-1, 1, 60).view(20, 3).to(v)
    first, second = (v - v.detach()).view(2, 3, 3)
    return (x @ first @ second - x.square()).square().mean()


def tanh_net(v):
    x = torch.linspace(-1, 1, 30).view(10, 3).to(v)
    first, second = v[:24].view(3, 8), v[24:].view(8, 2)
    return ((x @ first).tanh() @ second - x[:, :2].sin()).square().mean()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("loss", "size"), [(bilinear, 2), (linear_net, 18), (tanh_net, 40)])
def test_the_largest_is_that_of_the_whole_matrix(loss, size, seed):
    """Saddles have it twice, with both signs."""
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(size, generator=generator)
    wanted = torch.linalg.eigvalsh(hessian(loss, w)).abs().max().item()
    found = curvature(loss(w.requires_grad_()), w, generator, probes=1)
    assert found.largest.abs().item() == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("outlier", [2.0, 3.0, -2.0])
def test_one_large_eigenvalue_among_many_is_found(outlier, seed):
    values = torch.ones(100_000)
    values[0] = outlier
    w = torch.zeros(100_000, requires_grad=True)
    generator = torch.Generator().manual_seed(seed)
    found = curvature(values @ w.square() / 2, w, generator, probes=1)
    assert found.largest.item() == pytest.approx(outlier, rel=1e-3)


def quadratic(w, bias):
    return 3 * w.square().sum() + bias.square().sum()


WEIGHTS = {
    "a tensor": lambda layer: layer.weight,
    "a module": lambda layer: layer,
    "tensors": lambda layer: layer.parameters(),
    "one without a gradient": lambda layer: [layer.weight, torch.ones(3)],
}


@pytest.mark.parametrize("take", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_come_in_any_of_these_forms(take, generator):
    layer = torch.nn.Linear(2, 2)
    loss = quadratic(layer.weight, layer.bias)
    assert curvature(loss, take(layer), generator).largest.item() == pytest.approx(6)


@pytest.mark.parametrize("weights", [3, "w", [torch.ones(2), 1.0], {"w": torch.ones(2)}])
def test_other_weights_are_refused(weights, draw, generator):
    with pytest.raises(
        ValueError, match="tensors are needed, or a module for its parameters, got a"
    ):
        curvature(draw(3).requires_grad_().sum(), weights, generator)


def test_a_loss_that_is_not_a_number_has_none(draw, generator):
    w = draw(3).requires_grad_()
    found = curvature((w * torch.nan).square().sum(), w, generator, probes=1)
    assert found.largest.isnan()


def test_vectors_are_drawn_on_the_cpu_whatever_the_default_device(draw, generator):
    w = draw(3).requires_grad_()
    with torch.device("meta"):
        found = curvature(w.square().sum(), w, generator, probes=1)
    assert found.largest.item() == pytest.approx(2)


def test_probes_are_random_signs_in_the_order_of_their_draws(draw, generator):
    matrix, w = draw(4, 4), draw(4).requires_grad_()
    generator.manual_seed(1)
    signs = draw(3, 4).sign()  # a row at a time, as `curvature` draws them
    wanted = torch.einsum("ki,ij,kj->k", signs, matrix + matrix.mT, signs).mean()
    found = curvature(w @ matrix @ w, w, generator.manual_seed(1), probes=3)
    assert_close(found.trace, wanted)


class Calls(TorchFunctionMode):
    """Keeps the names of the functions that are called."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.names.append(function.__name__)
        return function(*args, **(kwargs or {}))


def test_one_probe_is_held_at_a_time(draw, generator):
    w = draw(3).requires_grad_()
    loss = w.square().sum()
    with Calls() as calls:
        curvature(loss, w, generator, iterations=1, probes=2)
    first, second, *_ = [i for i, name in enumerate(calls.names) if name == "randn"]
    assert "grad" in calls.names[first:second]


@pytest.mark.parametrize("numbers", [(0, 1), (1, 0)])
def test_too_few_products_are_refused(numbers, draw, generator):
    w = draw(3).requires_grad_()
    with pytest.raises(ValueError, match="an iteration and a probe"):
        curvature(w.sum(), [w], generator, *numbers)
