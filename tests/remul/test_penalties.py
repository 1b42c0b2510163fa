"""Penalties: the weighted sum, what need not be computed, and how weights adapt."""

import json
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from remul import Constant, Dual, GradNorm, Ramp
from remul.adaptive_penalties import BOUNDS

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


def weight(dtype=torch.float64):
    return torch.tensor([3.0, 4.0], dtype=dtype, requires_grad=True)


def two_terms(w):
    """Half |w|^2, whose gradient is w, and 2 w_2, whose gradient has the norm 2."""
    return {"fit": w.square().sum() / 2, "equivariance": 2 * w[1]}


def called(penalty, times, w):
    """A fresh copy of the penalty, which is called that often and takes gradients in w."""
    penalty = deepcopy(penalty)
    if hasattr(penalty, "watch"):
        penalty.watch([w])
    for _ in range(times):
        penalty(two_terms(w))
    return penalty


def numbers(penalty):
    return [float(weight) for weight in penalty.weights.values()]


@every_penalty
def test_a_penalty_weighs_both_terms(penalty):
    assert list(penalty.weights) == ["fit", "equivariance"]


@every_penalty
def test_active_are_the_weights_that_are_not_zero(penalty):
    penalty = called(penalty, 3, weight())
    assert {k: float(v) for k, v in penalty.active.items()} == {
        k: float(v) for k, v in penalty.weights.items() if v
    }


@both_dtypes
@every_penalty
def test_the_loss_keeps_the_dtype_of_the_terms(penalty, dtype):
    w = weight(dtype)
    assert called(penalty, 2, w)(two_terms(w)).dtype == dtype


@every_penalty
def test_a_step_weighs_with_the_weights_before_it(penalty):
    w = weight()
    penalty = called(penalty, 3, w)
    alpha, beta = numbers(penalty)
    fit, equivariance = two_terms(w).values()
    assert_close(penalty(two_terms(w)), alpha * fit + beta * equivariance)


@every_penalty
def test_a_penalty_leaves_the_gradients_of_the_network_alone(penalty):
    w = weight()
    called(penalty, 3, w)
    assert w.grad is None


@every_penalty
def test_the_gradient_is_that_of_the_weighted_sum(penalty):
    w = weight()
    penalty = called(penalty, 3, w)
    alpha, beta = numbers(penalty)
    penalty(two_terms(w)).backward()
    assert_close(w.grad, alpha * w.detach() + beta * torch.tensor([0.0, 2.0], dtype=w.dtype))


@every_penalty
def test_a_loaded_penalty_continues(penalty):
    w = weight()
    kept = json.loads(json.dumps(called(penalty, 3, w).state_dict()))
    loaded = called(penalty, 0, w)
    loaded.load_state_dict(kept)
    for _ in range(2):
        loaded(two_terms(w))
    assert numbers(loaded) == numbers(called(penalty, 5, w))


@every_penalty
def test_penalties_run_under_compile(penalty):
    w = weight()
    penalty_in_use = called(penalty, 0, w)
    step = torch.compile(lambda w: penalty_in_use(two_terms(w)), backend="eager")
    for _ in range(3):
        found = step(w)
    assert_close(found, called(penalty, 2, w)(two_terms(w)))


adaptive = pytest.mark.parametrize("penalty", [GradNorm(), Dual(0.1)], ids=["GradNorm", "Dual"])
nothing = pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)


@adaptive
@nothing
def test_a_step_that_is_not_finite_leaves_the_state(penalty, value):
    w = weight()
    penalty = called(penalty, 2, w)
    before = penalty.state_dict()
    penalty({**two_terms(w), "equivariance": w.sum() * value})
    assert penalty.state_dict() == before


@adaptive
@nothing
def test_a_first_step_that_is_not_finite_is_forgotten(penalty, value):
    w = weight()
    late, sound = called(penalty, 0, w), called(penalty, 2, w)
    late({**two_terms(w), "equivariance": w.sum() * value})
    assert called(late, 2, w).state_dict() == sound.state_dict()


@adaptive
def test_a_state_before_any_finite_term_is_not_kept(penalty):
    w = weight()
    penalty = called(penalty, 0, w)
    penalty({**two_terms(w), "equivariance": w.sum() * float("nan")})
    with pytest.raises(ValueError, match="is not finite"):
        penalty.state_dict()


@adaptive
def test_small_steps_count_in_low_precision(penalty):
    low, found = weight(torch.bfloat16), []
    penalty = called(replace(penalty, lr=1e-4), 0, low)
    for _ in range(3):
        penalty(two_terms(low))
        found.append(float(penalty.weights["equivariance"]))
    assert len(set(found)) == 3


@every_penalty
def test_no_step_reads_a_value(penalty):
    w = torch.empty(2, device="meta", requires_grad=True)  # has none: reading one raises
    penalty = called(penalty, 2, w)
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
        (lambda: GradNorm(exponent=-1.0), "exponent"),
        (lambda: GradNorm(lr=0.0), "lr"),
        (lambda: GradNorm(beta=0.0), "beta"),
        (lambda: Dual(0.0), "level"),
        (lambda: Dual(1.0, lr=float("nan")), "lr"),
        (lambda: Dual(1.0, damping=-1.0), "damping"),
        (lambda: Dual(1.0, smoothing=1.0), "smoothing"),
    ],
)
def test_impossible_options_are_named(build, name):
    with pytest.raises(ValueError, match=name):
        build()


def test_gradnorm_is_as_computed_by_hand():
    w = weight()  # gradients of norm 5 and 2 around a mean of 3.5: (1 - 5/40, 1 + 2/40), rescaled
    expected = torch.tensor([10 / 11, 12 / 11], dtype=torch.float64)
    assert_close(called(GradNorm(), 1, w)._weights, expected, rtol=0, atol=1e-10)


def test_the_second_step_of_gradnorm_is_as_computed_by_hand():
    penalty, w = called(GradNorm(), 1, weight()), torch.tensor([0, 4.0], dtype=torch.float64)
    penalty.watch([w.requires_grad_()])  # norms 4 and 2: (10/11 - 4/40, 12/11 + 2/40), rescaled
    penalty(two_terms(w))
    expected = torch.tensor([178 / 214.5, 251 / 214.5], dtype=torch.float64)
    assert_close(penalty._weights, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("exponent", [0.5, 1.5, 4.0])
def test_gradnorm_descends_its_own_loss(exponent, draw):
    penalty, first, w = GradNorm(exponent, 0.01, 0.7, 1.3), draw(3), draw(3).requires_grad_()
    penalty.watch([w])
    penalty.load_state_dict({"weights": [0.7, 1.3], "first": [9.0, 1.0]})
    weights = torch.tensor([0.7, 1.3], dtype=torch.float64, requires_grad=True)
    terms = {"fit": (w - first).square().sum(), "equivariance": w.exp().sum()}
    values = torch.stack([*terms.values()]).detach()
    norms = [torch.autograd.grad(t, w, retain_graph=True)[0].norm() for t in terms.values()]
    size = weights * torch.stack(norms)
    share = values / torch.tensor([9.0, 1.0])
    target = (size.mean() * (share / share.mean()) ** exponent).detach()
    (size - target).abs().sum().backward()
    expected = (weights - 0.01 * weights.grad).detach()
    penalty(terms)
    assert_close(penalty._weights, 2 * expected / expected.sum(), rtol=0, atol=1e-12)


def test_gradnorm_weighs_the_first_step_as_told():
    w = weight()
    fit, equivariance = two_terms(w).values()
    assert called(GradNorm(beta=10.0), 0, w)(two_terms(w)) == fit + 10 * equivariance


def test_the_weights_of_gradnorm_sum_to_two_ever_after():
    assert sum(numbers(called(GradNorm(beta=10.0), 50, weight()))) == pytest.approx(2)


def test_the_weights_of_gradnorm_stay_positive():
    assert min(numbers(called(GradNorm(lr=100.0), 5, weight()))) > 0


def test_gradnorm_keeps_its_weights_where_the_terms_do_not_reach():
    penalty = GradNorm()
    penalty.watch([torch.zeros(3, requires_grad=True)])
    penalty(two_terms(weight()))
    assert numbers(penalty) == [1, 1]


def test_gradnorm_asks_for_the_shared_weights():
    with pytest.raises(ValueError, match="watch"):
        GradNorm()(two_terms(weight()))


def test_gradnorm_sees_through_a_compiled_model(draw):
    x, found = draw(5, 3), []
    for compiled in (False, True):
        net = torch.nn.Linear(3, 2).double()
        torch.nn.init.ones_(net.weight)
        torch.nn.init.ones_(net.bias)
        model, penalty = torch.compile(net, backend="aot_eager") if compiled else net, GradNorm()
        penalty.watch(net.parameters())
        y = model(x)
        penalty({"fit": y.square().mean(), "equivariance": y.exp().mean()}).backward()
        found.append([*numbers(penalty), net.weight.grad.sum().item()])
    assert found[0] == pytest.approx(found[1], rel=1e-12)


@pytest.mark.parametrize("level", [0.3, 0.03, 0.003])
def test_dual_ends_at_its_level(level):
    x, dual = torch.ones((), requires_grad=True), Dual(level)
    optimiser = torch.optim.SGD([x], lr=0.01)
    for _ in range(700):
        optimiser.zero_grad()
        dual({"fit": (x - 1).square(), "equivariance": x.square()}).backward()
        optimiser.step()
    assert x.item() ** 2 == pytest.approx(level, rel=0.1)


@pytest.mark.parametrize(("value", "bound"), [(0.0, BOUNDS[0]), (1e3, BOUNDS[1])])
def test_the_multiplier_stays_within_its_bounds(value, bound):
    dual = Dual(0.1, lr=0.5)
    for _ in range(20):
        dual({"fit": torch.tensor(1.0), "equivariance": torch.tensor(value)})
    assert dual.weights["equivariance"].item() == pytest.approx(bound, rel=1e-4)
