"""Penalties: the weighted sum, and what need not be computed."""

import pytest
import torch

from remul import Constant

TERMS = {"fit": torch.tensor(3.0), "equivariance": torch.tensor(4.0)}


@pytest.mark.parametrize(
    ("alpha", "beta", "total"), [(1, 1, 7.0), (2, 0.5, 8.0), (1, 0, 3.0), (0, 1, 4.0), (0, 2, 8.0)]
)
def test_the_penalty_is_the_weighted_sum(alpha, beta, total):
    assert Constant(alpha, beta)(TERMS).item() == total


def test_both_terms_weigh_one_by_default():
    assert Constant().active == {"fit": 1.0, "equivariance": 1.0}


@pytest.mark.parametrize(("weights", "name"), [((1, 0), "fit"), ((0, 1), "equivariance")])
def test_a_term_of_weight_zero_is_not_active(weights, name):
    assert list(Constant(*weights).active) == [name]


@pytest.mark.parametrize(("weights", "name"), [((1, 0), "fit"), ((0, 1), "equivariance")])
def test_the_penalty_needs_its_active_terms_alone(weights, name):
    assert Constant(*weights)({name: TERMS[name]}) == TERMS[name]


@pytest.mark.parametrize(("weights", "name"), [((1, 0), "fit"), ((0, 1), "equivariance")])
def test_a_weight_of_one_leaves_the_term_to_the_bit(weights, name, draw):
    terms = {"fit": draw(()), "equivariance": draw(())}
    assert torch.equal(Constant(*weights)(terms), terms[name])


@pytest.mark.parametrize(
    "weights",
    [(0, 0), (-1, 1), (1, -1), (float("inf"), 1), (1, float("inf")), (float("nan"), 1)],
)
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValueError, match=r"alpha=.*beta="):
        Constant(*weights)
