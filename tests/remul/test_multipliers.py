"""Dual ascent on a network's own numbers: they vanish, or stay within the slack."""

import json

import pytest
import torch

from remul import Multipliers


def descend(multipliers, steps=1000, lr=0.05):
    """Minimise (w - 3)^2 + (w - c)^2 for a number c that is to vanish; w = c = 3 without it."""
    w, c = (torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimiser = torch.optim.SGD([w, c], lr=lr)
    for _ in range(steps):
        loss = multipliers({"fit": (w - 3).square() + (w - c).square(), "c": c})
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return w.item(), c.item()


@pytest.mark.slow
@pytest.mark.parametrize("damping", [0.0, 1.0])
def test_a_constraint_is_met_at_the_best_fit_that_meets_it(damping):
    assert descend(Multipliers(lr=0.1, damping=damping)) == pytest.approx((1.5, 0.0), abs=1e-3)


@pytest.mark.slow
def test_a_constraint_is_met_up_to_the_slack():
    w, c = descend(Multipliers(lr=0.1, slack=0.5))
    assert c == pytest.approx(0.5, abs=1e-2)
    assert w == pytest.approx(1.75, abs=1e-2)


@pytest.mark.slow
def test_what_is_within_the_slack_is_free():
    multipliers = Multipliers(slack=5.0)
    assert descend(multipliers) == pytest.approx((3.0, 3.0), abs=1e-3)
    assert multipliers.state_dict() == {"c": 0.0}


def test_the_state_goes_on_where_it_was_taken():
    first, second = Multipliers(lr=0.1), Multipliers(lr=0.1)
    terms = {"fit": torch.tensor(3.0), "c": torch.tensor(2.0)}
    first(terms)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second(terms) == pytest.approx(first(terms).item())


@pytest.mark.parametrize("options", [{"lr": 0}, {"slack": -1}, {"damping": float("nan")}], ids=str)
def test_impossible_numbers_are_refused(options):
    with pytest.raises(ValueError, match="lr needs to be positive"):
        Multipliers(**options)


def test_the_equivariance_term_is_no_constraint():
    with pytest.raises(ValueError, match="'equivariance' is a loss"):
        Multipliers()({"fit": torch.tensor(3.0), "equivariance": torch.tensor(4.0)})


def test_the_fit_may_stand_alone():
    assert Multipliers(damping=1.0)({"fit": torch.tensor(3.0)}) == 3


def test_a_missing_fit_is_named():
    with pytest.raises(ValueError, match="no term 'fit'; there are c"):
        Multipliers()({"c": torch.tensor(3.0)})


@pytest.mark.parametrize("name", ["fit", "c"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_leaves_the_multipliers(name, value):
    multipliers, terms = Multipliers(lr=0.5), {"fit": torch.tensor(3.0), "c": torch.tensor(2.0)}
    multipliers(terms)
    multipliers({**terms, name: torch.tensor(value)})
    assert multipliers.state_dict() == {"c": 1.0}
