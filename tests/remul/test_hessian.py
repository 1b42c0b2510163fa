"""The Hessian's largest eigenvalue and trace against those of the whole matrix."""

import pytest
import torch
from torch.autograd.functional import hessian

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


@pytest.mark.parametrize("numbers", [(0, 1), (1, 0)])
def test_too_few_products_are_refused(numbers, draw, generator):
    w = draw(3).requires_grad_()
    with pytest.raises(ValueError, match="an iteration and a probe"):
        curvature(w.sum(), [w], generator, *numbers)
