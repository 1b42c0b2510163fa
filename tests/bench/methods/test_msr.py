"""Symmetry matrices that are learned over problems: adapting, known sharings, a short run."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from bench import Plugin
from bench.tasks.filters import band_energy, load, row_deviation, turn_violation
from bench.training.execute import execute
from bench.training.selection import load_sweep
from models.discovery.msr import FORMS, MSR, build

SMALL = {"train": 20, "val": 5, "test": 10}


@pytest.fixture(scope="module")
def task():
    return load(0, **SMALL)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_answers_all_queries(form, task):
    output = build(task.signature, form)(task.test.inputs)
    assert output["response"].shape == task.test.targets["response"].shape


def test_adapting_is_gradient_descent(task):
    model = build(task.signature, "convolution", inner_steps=2)
    x, y = (task.test.inputs[name] for name in ("support", "answer"))
    v = model.start.detach().clone()
    for rate in model.rate.detach():
        v = v.requires_grad_()
        weight = model.symmetry(v).view(model.shape)
        (slope,) = torch.autograd.grad((x[0] @ weight.mT - y[0]).square().mean(), v)
        v = (v - rate * slope).detach()
    assert_close(model.adapt(x[:1], y[:1])[0], v)


def test_a_convolution_adapts_to_its_filter(task):
    model = build(task.signature, "convolution", inner_steps=60, rate=0.5)
    error = (model(task.test.inputs)["response"] - task.test.targets["response"]).square().mean()
    assert error < 1e-3


def convolution_of(task):
    """The model whose U is that of convolutions, as one that has learned it."""
    model = build(task.signature, "full")
    places = build(task.signature, "convolution").symmetry(torch.eye(3)).mT
    model.symmetry.u.data.copy_(places)
    return model


def test_a_convolution_has_all_energy_in_its_band_and_equal_rows(task):
    model = convolution_of(task)
    assert (band_energy(model), row_deviation(model)) == (1, 0)


def test_a_random_symmetry_has_neither(task):
    model = build(task.signature, "full")
    assert band_energy(model) < 0.1
    assert row_deviation(model) > 0.5


def test_the_lifting_problem_is_one_filter_in_four_orientations():
    turns = load(0, kind="quarter_turns", **SMALL)
    model = build(turns.signature, "dense", inner_steps=300, rate=4.0)
    assert turn_violation(model, turns.test.inputs) < 1e-3
    model = build(turns.signature, "dense", inner_steps=0)
    assert turn_violation(model, turns.test.inputs) > 0.3


@pytest.mark.slow
def test_a_short_run_beats_no_answer():
    run = next(run for run in load_sweep("msr") if run.model.kwargs["form"] == "convolution")
    run = replace(run, task=Plugin("filters", SMALL), steps=30)
    scores = execute(run, "cpu", lambda step: None).record.scores
    assert scores["mse_test"] < 0.5 * scores["zero_mse"]


def short_scores(form, task, steps):
    """Scores of a run of the sweep, shortened, from half its problems."""
    runs = [r for r in load_sweep("msr") if r.model.kwargs["form"] == form and r.task == task]
    few = Plugin("filters", {**task.kwargs, "train": 1000, "val": 20, "test": 100})
    run = replace(runs[0], task=few, steps=steps, validations=1)
    return execute(run, "cpu", lambda step: None).record.scores


@pytest.mark.slow
def test_a_short_run_finds_the_convolution():
    scores = short_scores("full", Plugin("filters", {"rank": 1}), 200)
    assert scores["mse_test"] < scores["zero_mse"] / 500
    assert scores["band_energy"] > 0.999
    assert scores["row_deviation"] < 0.01


@pytest.mark.slow
def test_a_short_run_finds_a_mixture_of_two_filters():
    scores = short_scores("full", Plugin("filters", {"rank": 2}), 300)
    assert scores["mse_test"] < 0.37 / 3  # 0.37 is what a convolution has


@pytest.mark.slow
def test_a_short_run_finds_four_orientations():
    scores = short_scores("full", Plugin("filters", {"kind": "quarter_turns"}), 200)
    assert scores["turn_violation"] < 0.02


def test_other_fields_and_forms_are_refused(task):
    with pytest.raises(ValueError, match="dense, local"):
        build(task.signature, "sparse")
    assert isinstance(build(task.signature), MSR)
