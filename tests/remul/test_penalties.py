"""Penalties: the weighted sum, what need not be computed, and what every penalty keeps."""

import json

import pytest
import torch
from penalty_calls import call_copy, numbers, two_terms, weight
from torch.testing import assert_close

from remul import Constant, Dual, GradNorm, Hinge, Ramp

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


PENALTIES = [Constant(), Ramp(2.0, 4), GradNorm(), Dual(0.1)]
every_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda p: type(p).__name__)
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@every_penalty
def test_a_penalty_weighs_both_terms(penalty):
    assert list(penalty.weights) == ["fit", "equivariance"]


@every_penalty
def test_active_are_the_weights_that_are_not_zero(penalty):
    penalty = call_copy(penalty, 3, weight())
    assert {k: float(v) for k, v in penalty.active.items()} == {
        k: float(v) for k, v in penalty.weights.items() if v
    }


@both_dtypes
@every_penalty
def test_the_loss_keeps_the_dtype_of_the_terms(penalty, dtype):
    w = weight(dtype)
    assert call_copy(penalty, 2, w)(two_terms(w)).dtype == dtype


@every_penalty
def test_a_step_weighs_with_the_weights_before_it(penalty):
    w = weight()
    penalty = call_copy(penalty, 3, w)
    alpha, beta = numbers(penalty)
    fit, equivariance = two_terms(w).values()
    assert_close(penalty(two_terms(w)), alpha * fit + beta * equivariance)


@every_penalty
def test_a_penalty_leaves_the_gradients_of_the_network_alone(penalty):
    w = weight()
    call_copy(penalty, 3, w)
    assert w.grad is None


@every_penalty
def test_the_gradient_is_that_of_the_weighted_sum(penalty):
    w = weight()
    penalty = call_copy(penalty, 3, w)
    alpha, beta = numbers(penalty)
    penalty(two_terms(w)).backward()
    assert_close(w.grad, alpha * w.detach() + beta * torch.tensor([0.0, 2.0], dtype=w.dtype))


@every_penalty
def test_a_loaded_penalty_continues(penalty):
    w = weight()
    kept = json.loads(json.dumps(call_copy(penalty, 3, w).state_dict()))
    loaded = call_copy(penalty, 0, w)
    loaded.load_state_dict(kept)
    for _ in range(2):
        loaded(two_terms(w))
    assert numbers(loaded) == numbers(call_copy(penalty, 5, w))


@every_penalty
def test_penalties_run_under_compile(penalty):
    w = weight()
    penalty_in_use = call_copy(penalty, 0, w)
    step = torch.compile(lambda w: penalty_in_use(two_terms(w)), backend="eager")
    for _ in range(3):
        found = step(w)
    assert_close(found, call_copy(penalty, 2, w)(two_terms(w)))


@every_penalty
def test_no_step_reads_a_value(penalty):
    w = torch.empty(2, device="meta", requires_grad=True)  # has none: reading one raises
    penalty = call_copy(penalty, 2, w)
    penalty(two_terms(w)).backward()
    assert w.grad.is_meta


def test_a_ramp_is_a_line_and_then_flat():
    ramp, betas = Ramp(2.0, 4), []
    for _ in range(7):
        betas.append(ramp.weights["equivariance"])
        ramp(TERMS)
    assert betas == [0, 0.5, 1, 1.5, 2, 2, 2]


def test_a_ramp_may_start_elsewhere_and_fall():
    ramp = Ramp(1.0, 2, alpha=0.5, start=3.0)
    ramp(TERMS)
    assert ramp.weights == {"fit": 0.5, "equivariance": 2.0}


def test_a_ramp_starts_without_its_term():
    assert list(Ramp(1.0, 2).active) == ["fit"]


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: Ramp(-1.0, 2), "beta"),
        (lambda: Ramp(1.0, 2, alpha=0.0), "beta=0"),
        (lambda: Ramp(1.0, 0), "steps"),
        (lambda: Ramp(1.0, float("nan")), "steps"),
        (lambda: Ramp(1.0, float("inf")), "steps"),
    ],
)
def test_impossible_options_of_a_ramp_are_named(build, name):
    with pytest.raises(ValueError, match=name):
        build()


@pytest.mark.parametrize(("level", "total"), [(0, 11.0), (1, 9.0), (4, 3.0), (5, 3.0)])
def test_a_hinge_weighs_what_exceeds_the_level(level, total):
    assert Hinge(level, beta=2)(TERMS).item() == total


def test_a_hinge_below_its_level_pulls_at_nothing():
    w = weight()
    Hinge(100.0)(two_terms(w)).backward()
    assert_close(w.grad, w.detach())


@pytest.mark.parametrize("level", [-1, float("inf"), float("nan")])
def test_an_impossible_level_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        Hinge(level)


MISSING = [Constant(), Ramp(2.0, 4, start=1.0), Hinge(1.0)]


@pytest.mark.parametrize("penalty", MISSING, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize(("name", "there"), [("fit", "equivariance"), ("equivariance", "fit")])
def test_a_missing_term_is_named(penalty, name, there):
    with pytest.raises(ValueError, match=f"no term '{name}'; there are {there}"):
        penalty({there: TERMS[there]})
