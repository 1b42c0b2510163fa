"""Adaptive penalties: GradNorm and Dual as computed by hand, in low precision, at bad steps."""

from dataclasses import replace

import pytest
import torch
from penalty_calls import call_copy, numbers, two_terms, weight
from torch.testing import assert_close

from remul import Dual, GradNorm
from remul.adaptive_penalties import BOUNDS

adaptive = pytest.mark.parametrize("penalty", [GradNorm(), Dual(0.1)], ids=["GradNorm", "Dual"])
nothing = pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)


@adaptive
@nothing
def test_a_step_that_is_not_finite_leaves_the_state(penalty, value):
    w = weight()
    penalty = call_copy(penalty, 2, w)
    before = penalty.state_dict()
    penalty({**two_terms(w), "equivariance": w.sum() * value})
    assert penalty.state_dict() == before


@adaptive
@nothing
def test_a_first_step_that_is_not_finite_is_forgotten(penalty, value):
    w = weight()
    late, sound = call_copy(penalty, 0, w), call_copy(penalty, 2, w)
    late({**two_terms(w), "equivariance": w.sum() * value})
    assert call_copy(late, 2, w).state_dict() == sound.state_dict()


@adaptive
def test_a_state_before_any_finite_term_is_not_kept(penalty):
    w = weight()
    penalty = call_copy(penalty, 0, w)
    penalty({**two_terms(w), "equivariance": w.sum() * float("nan")})
    with pytest.raises(ValueError, match="is not finite"):
        penalty.state_dict()


@adaptive
def test_small_steps_count_in_low_precision(penalty):
    low, found = weight(torch.bfloat16), []
    penalty = call_copy(replace(penalty, lr=1e-4), 0, low)
    for _ in range(3):
        penalty(two_terms(low))
        found.append(float(penalty.weights["equivariance"]))
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("build", "name"),
    [
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
    assert_close(call_copy(GradNorm(), 1, w)._weights, expected, rtol=0, atol=1e-10)


def test_the_second_step_of_gradnorm_is_as_computed_by_hand():
    penalty, w = call_copy(GradNorm(), 1, weight()), torch.tensor([0, 4.0], dtype=torch.float64)
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
    assert call_copy(GradNorm(beta=10.0), 0, w)(two_terms(w)) == fit + 10 * equivariance


def test_the_weights_of_gradnorm_sum_to_two_ever_after():
    assert sum(numbers(call_copy(GradNorm(beta=10.0), 50, weight()))) == pytest.approx(2)


def test_the_weights_of_gradnorm_stay_positive():
    assert min(numbers(call_copy(GradNorm(lr=100.0), 5, weight()))) > 0


def test_gradnorm_keeps_its_weights_where_the_terms_do_not_reach():
    penalty = GradNorm()
    penalty.watch([torch.zeros(3, requires_grad=True)])
    penalty(two_terms(weight()))
    assert numbers(penalty) == [1, 1]


def test_gradnorm_asks_for_the_shared_weights():
    with pytest.raises(ValueError, match="watch"):
        GradNorm()(two_terms(weight()))


@pytest.mark.slow
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


@adaptive
@nothing
@pytest.mark.parametrize("name", ["fit", "equivariance"])
@pytest.mark.parametrize("steps", [0, 2])
def test_no_step_of_which_a_term_is_not_finite_counts(penalty, value, name, steps):
    w = weight()
    late, sound = call_copy(penalty, steps, w), call_copy(penalty, steps, w)
    late({**two_terms(w), name: w.sum() * value})
    for each in (late, sound):
        for _ in range(2):
            each(two_terms(w))
    assert late.state_dict() == sound.state_dict()


def test_a_term_below_zero_undercuts_the_level():
    dual, zero = Dual(0.1, smoothing=0.0), Dual(0.1, smoothing=0.0)
    for _ in range(3):
        dual({"fit": torch.tensor(1.0), "equivariance": torch.tensor(-2.0)})
        zero({"fit": torch.tensor(1.0), "equivariance": torch.tensor(0.0)})
    assert numbers(dual) == numbers(zero)


@adaptive
@pytest.mark.parametrize(("name", "there"), [("fit", "equivariance"), ("equivariance", "fit")])
def test_a_missing_term_is_named(penalty, name, there):
    w = weight()
    with pytest.raises(ValueError, match=f"no term '{name}'; there are {there}"):
        call_copy(penalty, 0, w)({there: two_terms(w)[there]})


class Layer(torch.nn.Module):
    def __init__(self, w):
        super().__init__()
        self.w, self.frozen = torch.nn.Parameter(w), torch.nn.Parameter(w, requires_grad=False)


WATCHED = {
    "a parameter": lambda layer: layer.w,
    "a module": lambda layer: layer,
    "some are frozen": lambda layer: [layer.frozen, layer.w],
    "a generator": lambda layer: layer.parameters(),
}


@pytest.mark.parametrize("watched", WATCHED.values(), ids=WATCHED)
def test_gradnorm_watches_parameters_in_any_form(watched):
    penalty, layer = GradNorm(), Layer(weight().detach())
    penalty.watch(watched(layer))
    penalty(two_terms(layer.w))
    assert numbers(penalty) == pytest.approx([10 / 11, 12 / 11])


UNWATCHED = {
    "frozen": (torch.ones(2), "no tensors that require a gradient"),
    "no parameters": ([], "no tensors that require a gradient"),
    "names": (["weight"], "got a str"),
    "a number": (3, "got a int"),
}


@pytest.mark.parametrize(("watched", "words"), UNWATCHED.values(), ids=UNWATCHED)
def test_what_has_no_gradient_is_not_watched(watched, words):
    with pytest.raises(ValueError, match=words):
        GradNorm().watch(watched)
