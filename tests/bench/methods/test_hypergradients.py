"""Gradients through a minimum, against finite differences and against one another."""

import pytest
import torch
from torch.testing import assert_close

from bench.methods._hypergradients import hypergradient

UPPER, LOWER = 3, 4
DRAWN = torch.Generator().manual_seed(0)
MIX, TARGET = (torch.randn(LOWER, n, generator=DRAWN).double() for n in (UPPER, 1))
POINT = torch.randn(UPPER, generator=DRAWN).double()


def lower_loss(a, w):
    """Strictly convex in w, and not quadratic."""
    return (w - MIX @ a.tanh()).square().sum() / 2 + 0.1 * (w**4).sum() + a[0] * w[1] * 0.3


def upper_loss(a, w):
    return (w - TARGET[:, 0]).square().sum() + a.square().sum() * w[0].sin()


def minimum(a):
    """The lower minimum, by Newton's method."""
    w = torch.zeros(LOWER).double()
    for _ in range(30):
        slope = torch.func.grad(lower_loss, argnums=1)
        w = w - torch.linalg.solve(torch.func.jacrev(slope, argnums=1)(a, w), slope(a, w))
    return w


def by_differences(step=1e-5):
    total = []
    for e in torch.eye(UPPER).double() * step:
        ends = [upper_loss(a, minimum(a)) for a in (POINT + e, POINT - e)]
        total.append((ends[0] - ends[1]) / (2 * step))
    return torch.stack(total)


def found(how, rate=0.3):
    return hypergradient(upper_loss, lower_loss, POINT, minimum(POINT), how, rate)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "tolerance"), [("exact", 1e-5), ("cg", 1e-3), ("neumann", 5e-2)])
def test_it_is_the_slope_of_the_upper_loss_at_the_minimum(how, tolerance):
    assert_close(found(how), by_differences(), rtol=tolerance, atol=tolerance)


def test_the_series_needs_its_rate():
    """A rate ten times smaller has not converged, and one that is left out scales the rest."""
    wrong, right = (found("neumann", rate) for rate in (0.03, 0.3))
    assert (right - by_differences()).norm() < 0.1 * (wrong - by_differences()).norm()


def test_what_does_not_depend_on_the_minimum_is_left(draw):
    direct = hypergradient(lambda a, w: a.sum(), lower_loss, POINT, minimum(POINT), "exact")
    assert_close(direct, torch.ones(UPPER).double())


def test_unknown_solvers_are_refused():
    with pytest.raises(ValueError, match="exact, cg, neumann"):
        found("guess")
