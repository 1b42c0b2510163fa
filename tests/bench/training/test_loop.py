"""Methods and the training loop that runs them."""

import csv
from collections import Counter
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from bench.core import outcomes, plugins
from bench.core.config import Plugin, Run
from bench.core.outcomes import DivergedError
from bench.training import optimisers, scores
from bench.training.batches import Batches
from bench.training.build import _move, build, last_layer
from bench.training.execute import execute
from bench.training.generators import rng
from bench.training.history import current_weights, final_weights, record_penalty
from bench.training.loop import (
    FINAL_LR,
    deepcopy_state,
    lr_factor,
    take_steps,
    train,
    trainer,
)
from bench.training.scores import squared_errors
from remul import VECTOR, Batch, Constant

OWN = [
    "ace",
    "amortise",
    "bilevel",
    "evidence",
    "per",
    "rpp",
    "sharing",
]  # train in their own way, or models of their own: tests/bench/methods
METHODS = [name for name in plugins.names("methods") if name not in OWN]
PLAIN = Run(
    Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8}),
    Plugin("transformer", {"channels": 16, "layers": 1, "heads": 2}),
    Plugin("plain"),
    steps=5,
    batch_size=4,
    lr=1e-3,
    validations=5,
)
UNSTEADY = replace(PLAIN, lr=1.0, steps=20, validations=20, seed=1)  # at its best before its end
every_method = pytest.mark.parametrize("name", METHODS)


def using(name, **kwargs):
    return replace(PLAIN, method=Plugin(name, kwargs))


def ignore(step):
    pass


def trained(run):
    """The weights after a run."""
    task, model, method = build(run, "cpu")
    train(run, task, model, method, ignore)
    return model.state_dict()


class Recorder(nn.Module):
    """A model that remembers what it was given while training."""

    def __init__(self, model):
        super().__init__()
        self.model, self.seen = model, []

    def forward(self, inputs):
        if self.training:
            self.seen.append(inputs["position"])
        return self.model(inputs)


def seen(run):
    """The positions of every forward pass in training."""
    task, model, method = build(run, "cpu")
    recorder = Recorder(model)
    train(run, task, recorder, method, ignore)
    return recorder.seen


def draw_terms(model, task, method):
    """The terms of the training samples, by the elements of seed 0."""
    return method.terms(model, task.train, method.draw(task.train, rng("elements", 0)))


@every_method
def test_the_penalty_is_a_number_with_a_gradient(name):
    task, model, method = build(using(name), "cpu")
    method.penalty(draw_terms(model, task, method)).backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@every_method
def test_terms_are_drawn_from_the_generator_given(name):
    task, model, method = build(using(name), "cpu")
    first, second = (draw_terms(model, task, method) for _ in range(2))
    assert_close(first, second, rtol=0, atol=0)


@every_method
def test_training_changes_the_weights(name):
    before = build(using(name), "cpu")[1].state_dict()
    after = trained(using(name))
    assert any(not torch.equal(before[key], after[key]) for key in before)


@every_method
def test_a_run_is_repeatable_to_the_bit(name):
    assert_close(trained(using(name)), trained(using(name)), rtol=0, atol=0)


def test_remul_without_beta_is_plain_training_to_the_bit():
    assert_close(trained(using("remul", beta=0.0)), trained(using("plain")), rtol=0, atol=0)


def test_remul_without_alpha_is_augmentation_to_the_bit():
    remul = using("remul", alpha=0.0, beta=1.0)
    assert_close(trained(remul), trained(using("augment")), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["remul", "augment"])
def test_turned_samples_make_a_difference(name):
    other, plain = trained(using(name)), trained(using("plain"))
    assert any(not torch.equal(other[key], plain[key]) for key in plain)


@pytest.mark.parametrize(("name", "size"), [("plain", 4), ("augment", 4), ("remul", 8)])
def test_a_step_takes_one_forward_pass(name, size):
    assert [len(x) for x in seen(using(name))] == 5 * [size]


def test_methods_of_one_seed_see_the_same_batches():
    originals = [x[:4] for x in seen(using("remul"))]
    assert_close(originals, seen(using("plain")), rtol=0, atol=0)


def test_methods_of_one_seed_see_the_same_group_elements():
    turned = [x[4:] for x in seen(using("remul"))]
    assert_close(turned, seen(using("augment")), rtol=0, atol=0)


def test_another_seed_sees_other_batches():
    first, second = seen(using("plain")), seen(replace(PLAIN, seed=1))
    assert not torch.equal(first[0], second[0])


@pytest.mark.parametrize("run", [using("plain"), using("remul", beta=0.0)], ids=["plain", "beta=0"])
def test_no_group_element_is_drawn_for_nothing(run):
    task, _, method = build(run, "cpu")
    generator = rng("elements", 0)
    method.draw(task.train, generator)
    assert torch.equal(generator.get_state(), rng("elements", 0).get_state())


def test_group_elements_have_a_stream_of_their_own():
    _, model, method = build(PLAIN, "cpu")
    seed = trainer(PLAIN, model, method).generator.initial_seed()
    assert seed == rng("elements", PLAIN.seed).initial_seed()


@pytest.mark.parametrize("weights", [{"alpha": 0.0, "beta": 0.0}, {"beta": -1.0}])
def test_remul_refuses_impossible_weights(weights):
    with pytest.raises(ValueError, match="alpha and beta"):
        build(using("remul", **weights), "cpu")


def test_a_copied_state_is_not_trained_on():
    task, model, method = build(PLAIN, "cpu")
    state = deepcopy_state(model)
    before = {key: weight.clone() for key, weight in state.items()}
    trainer(PLAIN, model, method).step(task.train)
    assert_close(state, before, rtol=0, atol=0)


def test_training_ends_in_its_best_state():
    task, model, method = build(UNSTEADY, "cpu")
    best = train(UNSTEADY, task, model, method, ignore)
    assert squared_errors(model, task.val, task.signature.outputs).mean == best["mse_val"]


def test_an_unsteady_run_is_best_before_its_end():
    task, model, method = build(UNSTEADY, "cpu")
    assert train(UNSTEADY, task, model, method, ignore)["best_step"] < 20


def test_constrained_training_ends_in_its_last_state():
    run = replace(UNSTEADY, method=Plugin("dual"))
    task, model, method = build(run, "cpu")
    assert train(run, task, model, method, ignore)["best_step"] == 20


def test_the_best_state_is_the_best_of_all_checkpoints():
    scores = []
    task, model, method = build(UNSTEADY, "cpu")

    def score(step):
        scores.append(squared_errors(model, task.val, task.signature.outputs).mean)

    best = train(UNSTEADY, task, model, method, score)
    assert (best["mse_val"], best["best_step"]) == (min(scores), scores.index(min(scores)) + 1)


@pytest.mark.parametrize(
    ("steps", "validations"), [(20, 20), (100, 20), (2000, 20), (7, 3), (5, 1)]
)
def test_there_are_as_many_checkpoints_as_asked_for(steps, validations):
    run = replace(PLAIN, steps=steps, validations=validations)
    assert sum(run.validates_after(step) for step in range(1, steps + 1)) == validations


@pytest.mark.parametrize(("steps", "validations"), [(5, 20), (7, 3), (100, 20), (1, 1)])
def test_the_last_state_is_a_checkpoint(steps, validations):
    assert replace(PLAIN, steps=steps, validations=validations).validates_after(steps)


@pytest.mark.parametrize("decay", ["exponential", "cosine"])
def test_the_learning_rate_decays_to_one_percent(decay):
    assert (lr_factor(decay, 0), lr_factor(decay, 1)) == pytest.approx((1, 0.01))


@pytest.mark.parametrize("decay", ["exponential", "cosine"])
def test_the_learning_rate_never_rises(decay):
    factors = [lr_factor(decay, step / 100) for step in range(101)]
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize(("decay", "middle"), [("exponential", 0.1), ("cosine", 0.505)])
def test_the_two_decays_differ_half_way(decay, middle):
    assert lr_factor(decay, 0.5) == pytest.approx(middle)


@pytest.mark.parametrize("decay", ["exponential", "cosine"])
def test_the_last_step_is_taken_near_one_percent(decay, monkeypatch):
    run, rates = replace(PLAIN, steps=100, decay=decay), []
    task, model, method = build(run, "cpu")
    monkeypatch.setattr("bench.training.loop.set_lr", lambda _, lr: rates.append(lr))
    train(run, task, model, method, ignore)
    assert (rates[0], rates[-1]) == pytest.approx((run.lr, FINAL_LR * run.lr), rel=0.05)


def gradient_norm(clip):
    """Norm of the gradient that the first step is taken with."""
    task, model, method = build(PLAIN, "cpu")
    training = trainer(replace(PLAIN, clip=clip), model, method)
    training.step(task.train)
    return nn.utils.get_total_norm([weight.grad for weight in model.parameters()])


def test_gradients_are_clipped():
    assert gradient_norm(1e-3).item() == pytest.approx(1e-3, rel=1e-2)


def test_short_gradients_are_left_alone():
    assert torch.equal(gradient_norm(1e6), gradient_norm(1e7))


def test_a_step_returns_the_loss_before_it():
    task, model, method = build(PLAIN, "cpu")
    expected = squared_errors(model, task.train, task.signature.outputs).mean
    loss = trainer(PLAIN, model, method).step(task.train)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_loss_that_is_not_a_number_is_an_error():
    task, model, method = build(PLAIN, "cpu")
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(DivergedError, match="at step 1"):
        train(PLAIN, task, model, method, ignore)


def test_one_pass_of_batches_takes_every_sample_once():
    data = Batch({"x": torch.arange(12)[:, None]}, {"y": torch.arange(12)[:, None]})
    batches = islice(Batches(data, 4, torch.Generator().manual_seed(0)), 3)
    assert torch.cat([b.inputs["x"] for b in batches]).flatten().sort()[0].tolist() == [*range(12)]


def test_passes_come_in_fresh_orders():
    data = Batch({"x": torch.arange(12)[:, None]}, {"y": torch.arange(12)[:, None]})
    first, second = islice(Batches(data, 12, torch.Generator().manual_seed(0)), 2)
    assert not torch.equal(first.inputs["x"], second.inputs["x"])


@pytest.mark.parametrize("size", [5, 12, 30])
def test_every_batch_has_the_size_asked_for(size):
    data = Batch({"x": torch.arange(12)[:, None]}, {"y": torch.arange(12)[:, None]})
    batches = islice(Batches(data, size, torch.Generator().manual_seed(0)), 6)
    assert {len(batch) for batch in batches} == {size}


def test_no_two_purposes_and_seeds_share_a_rng():
    purposes = ("weights", "batches", "elements", "scores")
    seeds = [rng(purpose, seed).initial_seed() for purpose in purposes for seed in range(100)]
    assert len(set(seeds)) == len(seeds)


def test_validation_does_not_disturb_training():
    often, seldom = replace(PLAIN, validations=5), replace(PLAIN, validations=1)
    assert_close(seen(often), seen(seldom), rtol=0, atol=0)


def test_scoring_leaves_the_weights_alone():
    task, model, _ = build(PLAIN, "cpu")
    before = deepcopy(model.state_dict())
    squared_errors(model, task.val, task.signature.outputs)
    assert_close(model.state_dict(), before, rtol=0, atol=0)


adaptive = pytest.mark.parametrize("name", ["ramp", "gradnorm", "dual"])


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"variant": "functional"}, 8),
        ({"variant": "stop_gradient"}, 8),
        ({"samples": 3}, 16),
        ({"variant": "functional", "samples": 3}, 16),
    ],
)
def test_every_variant_takes_one_forward_pass(options, size):
    assert [len(x) for x in seen(using("remul", **options))] == 5 * [size]


@pytest.mark.parametrize("variant", ["functional", "stop_gradient"])
def test_a_variant_makes_a_difference(variant):
    other, label = trained(using("remul", variant=variant)), trained(using("remul"))
    assert any(not torch.equal(other[key], label[key]) for key in label)


@pytest.mark.parametrize("variant", ["label", "functional", "stop_gradient"])
def test_no_variant_without_beta_departs_from_plain_training(variant):
    remul = trained(using("remul", beta=0.0, variant=variant))
    assert_close(remul, trained(using("plain")), rtol=0, atol=0)


@adaptive
def test_adaptive_methods_take_the_variants(name):
    options = {"variant": "stop_gradient", "samples": 2}
    assert {len(x) for x in seen(using(name, **options))[1:]} == {12}


@pytest.mark.parametrize(("group", "kept"), [("so3", False), ("about_y", True)])
def test_turning_about_y_keeps_every_height(group, kept):
    plain, turned = (seen(run)[0] for run in (using("plain"), using("augment", group=group)))
    assert torch.allclose(plain[..., 1], turned[..., 1], atol=1e-6) == kept
    assert not torch.allclose(plain[..., 0], turned[..., 0], atol=1e-2)


def test_the_group_of_old_records_is_the_default():
    assert_close(trained(using("remul")), trained(using("remul", group="so3")), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["augment", "remul", "ramp", "gradnorm", "dual"])
def test_methods_refuse_unknown_groups(name):
    with pytest.raises(ValueError, match="no group 'so2'; there are so3, about_y"):
        build(using(name, group="so2"), "cpu")


@pytest.mark.parametrize("name", ["remul", "ramp", "gradnorm", "dual"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "rotated"}, "no variant 'rotated'; there are label, functional"),
        ({"samples": 0}, "samples needs to be at least 1"),
    ],
)
def test_methods_refuse_unknown_options(name, options, message):
    with pytest.raises(ValueError, match=message):
        build(using(name, **options), "cpu")


def test_a_ramp_begins_as_plain_training():
    run = using("ramp", steps=4)
    assert [len(x) for x in seen(run)] == [4, 8, 8, 8, 8]


def test_a_flat_ramp_is_remul_to_the_bit():
    ramp, remul = using("ramp", beta=0.5, start=0.5), using("remul", beta=0.5)
    assert_close(trained(ramp), trained(remul), rtol=0, atol=0)


def test_the_last_layer_is_the_readout_of_a_transformer():
    model = build(PLAIN, "cpu")[1]
    assert last_layer(model) == [model.readout.weight, model.readout.bias]


def test_gradnorm_and_remul_take_the_same_first_step():
    runs = [replace(using(name, beta=2.0), steps=1) for name in ("gradnorm", "remul")]
    assert_close(*map(trained, runs), rtol=0, atol=0)


def executed(run):
    """The record of a run and the rows of its curve."""
    record, curve, *_ = execute(run, "cpu", ignore)
    return record, list(csv.DictReader(curve.splitlines()))


@every_method
def test_a_record_keeps_the_final_weights_of_its_penalty(name):
    penalty = executed(using(name))[0].penalty
    assert None not in (penalty.alpha, penalty.beta, penalty.state)


@every_method
def test_a_curve_has_the_weights_and_terms_of_every_step(name):
    rows = executed(using(name))[1]
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert all(row["alpha"] and row["beta"] and row["fit"] + row["equivariance"] for row in rows)


def test_a_curve_leaves_out_what_was_not_computed():
    rows = executed(using("plain"))[1]
    assert {row["equivariance"] for row in rows} == {""}


def test_a_curve_begins_with_the_weights_of_the_first_step():
    row = executed(using("gradnorm", beta=3.0))[1][0]
    assert (row["alpha"], row["beta"]) == ("1", "3")


@pytest.mark.parametrize(("steps", "points"), [(1, 1), (250, 250), (251, 126), (1500, 250)])
def test_a_long_curve_is_thinned(steps, points):
    penalty = record_penalty(Constant(), steps)
    for _ in range(steps):
        penalty({"fit": torch.zeros(()), "equivariance": torch.zeros(())})
    assert len(penalty.points) == points


def test_any_function_may_be_a_penalty():
    def fit(terms):
        return terms["fit"]

    assert (current_weights(fit), final_weights(fit)) == ({}, {"state": {}})


def test_a_curve_of_a_diverged_run_is_kept_as_far_as_it_came(monkeypatch):
    def diverging(run, task, model, method, progress, checkpoint):
        method.penalty(draw_terms(model, task, method))
        raise DivergedError("at step 1")

    monkeypatch.setattr("bench.training.execute.train", diverging)
    record, rows = executed(PLAIN)
    assert (record.status, len(rows)) == ("diverged", 1)


def masked(size):
    """Samples of four objects of which one to four are real, and their targets."""
    mask = (torch.arange(4) < 1 + torch.arange(size)[:, None] % 4).double().unsqueeze(-1)
    return Batch(
        {"x": torch.zeros(size, 4, 3), "mask": mask}, {"x": mask.expand(-1, -1, 3).float()}
    )


@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_the_error_counts_every_real_entry_once(chunk, monkeypatch):
    monkeypatch.setattr(scores, "SCORE_CHUNK", chunk)
    data = masked(8)
    data.targets["x"][3] *= 2
    model = torch.nn.Identity()
    expected = (data.targets["x"] ** 2).sum() / (3 * data.inputs["mask"].sum())
    assert squared_errors(model, data, {"x": VECTOR}).mean == pytest.approx(expected.item())


def test_a_score_that_is_not_finite_is_no_score():
    with pytest.raises(outcomes.DivergedError, match="mse_ood is inf"):
        scores.check_finite({"mse_test": 1.0, "mse_ood": float("inf")})


class Copies(TorchDispatchMode):
    """Counts what goes from the CPU to another device."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_iter((args, kwargs, result)) if isinstance(x, torch.Tensor)]
        moves = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        self.count["moved"] += moves and len({x.device.type for x in tensors}) > 1
        return result


@pytest.mark.parametrize("name", ["plain", "remul", "gradnorm"])
@pytest.mark.parametrize("model", ["transformer", "egnn", "gatr"])
def test_a_step_waits_for_no_device_and_sends_elements_and_order_alone(model, name, monkeypatch):
    """The device is `meta`, which raises where a value is asked for, as in waiting for a GPU."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # not on `meta`
    monkeypatch.setitem(optimisers.ELEMENTWISE, "adam", lambda w, lr, **_: torch.optim.SGD(w, lr))
    run = replace(using(name), model=Plugin(model), steps=5, batch_size=16)
    task, network, method = build(run, "cpu")
    network.to("meta")
    if name == "gradnorm":
        method.penalty.penalty.watch(last_layer(network))
    steps = take_steps(run, _move(task, "meta"), network, method)
    next(steps)
    with Copies() as copies:
        list(steps)
    sent = 4 * (1 + 2 * (name != "plain"))  # an order of all samples; rotations and translations
    assert copies.count["moved"] == sent


def test_a_learning_rate_on_a_device_stays_where_it_lies():
    weight, rate = nn.Parameter(torch.ones(2)), torch.tensor(1.0)
    optimiser = torch.optim.Adam([weight], rate, fused=True)
    optimisers.load_state(optimiser, deepcopy(optimiser.state_dict()))
    optimisers.set_lr(optimiser, 0.25)
    assert optimiser.param_groups[0]["lr"] is rate
    assert rate == 0.25


def test_bf16_trains_other_weights_of_float32():
    first, second = trained(PLAIN), trained(replace(PLAIN, precision="bf16"))
    assert {weight.dtype for weight in second.values()} == {torch.float32}
    assert not all(torch.equal(first[name], second[name]) for name in first)


def test_tf32_needs_a_gpu():
    _, model, method = build(PLAIN, "cpu")
    with pytest.raises(ValueError, match="tf32 needs a CUDA device"):
        trainer(replace(PLAIN, precision="tf32"), model, method)


def test_elements_share_a_pass_as_far_as_memory_reaches(monkeypatch):
    asked = []

    def errors(model, inputs, signature, elements, at_once):
        asked.append(at_once)
        if at_once > 2:
            raise torch.OutOfMemoryError
        return {}

    monkeypatch.setattr(scores.metrics, "errors", errors)
    chunk = Batch({"x": torch.empty(0, device="meta")}, {})
    monkeypatch.setattr(Batch, "device", torch.device("cuda"))
    scores._measure(None, chunk, None, [None] * 5)
    assert asked == [5, 3, 2]
