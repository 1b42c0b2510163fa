"""What becomes of a run that trains and cannot be kept as it is: a row with a reason of its own."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench import Plugin, Run
from bench.core import plugins
from bench.records import files, run_record
from bench.training.execute import execute
from remul import Constant

RUN = Run(
    Plugin("nbody_gravity", {"train": 8, "val": 4, "test": 4, "ood": 4}),
    Plugin("mlp", {"channels": 4, "layers": 1}),
    Plugin("plain"),
    steps=2,
    batch_size=4,
    validations=1,
    elements=1,
    samples=2,
)


@pytest.fixture
def record_of(monkeypatch):
    """Executes a run whose task, or method, has other parts than those of its file."""
    load = plugins.load

    def execute_changed(kind, **parts):
        class Changed:
            @staticmethod
            def build(task):
                return replace(load(kind, RUN.method.name).build(task), **parts)

            @staticmethod
            def load(seed, **options):
                return replace(load(kind, RUN.task.name).load(seed, **options), **parts)

        found = {kind: Changed}
        monkeypatch.setattr(plugins, "load", lambda k, name: found.get(k) or load(k, name))
        return execute(RUN, "cpu", lambda _: None).record

    return execute_changed


CURVES = {"array": np.array([1.0, 2.0]), "tensor": torch.tensor([1.0, 2.0]), "tuple": (1, 2)}


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_a_profile_is_any_sequence_of_numbers(curve, record_of):
    assert record_of("tasks", profile=lambda _: {"c": curve}).profiles.own == {"c": [1.0, 2.0]}


@pytest.mark.parametrize("curve", [["a", "b"], 1.0, None])
def test_a_profile_of_anything_else_is_named(curve, record_of):
    record = record_of("tasks", profile=lambda _: {"c": curve})
    assert (record.status, record.scores) == ("failed", {})
    assert "profile 'c' is no list of numbers" in record.reason


@pytest.mark.parametrize("odd", [float("nan"), float("-inf"), 1e200])
def test_a_score_of_its_own_that_is_no_number_leaves_the_others(odd, record_of):
    record = record_of("tasks", scores={"mine": lambda _: odd, "other": lambda _: 1.0})
    assert (record.status, record.reason) == ("done", f"left out: mine is {odd}")
    assert "mine" not in record.scores
    assert record.scores.keys() >= {"mse_test", "other"}


def test_a_profile_that_is_not_finite_is_named(record_of):
    record = record_of("tasks", profile=lambda _: {"c": [1.0, float("nan")]})
    assert "profile 'c' has values that are not finite" in record.reason


class Counting(torch.nn.Module):
    """A penalty with a state of tensors."""

    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("kept", torch.ones(2))

    def forward(self, terms):
        self.steps += 1
        return terms["fit"]


class Weighted:
    """A penalty that tells its weights and keeps no state."""

    weights = Constant(alpha=1.0, beta=2.0).weights

    def __call__(self, terms):
        return terms["fit"]


def test_a_state_of_tensors_is_kept_as_numbers(record_of):
    penalty = record_of("methods", penalty=Counting()).penalty
    assert penalty.state == {"steps": 2.0, "kept": [1.0, 1.0]}


def test_a_penalty_may_have_weights_without_a_state(record_of):
    penalty = record_of("methods", penalty=Weighted()).penalty
    assert (penalty.alpha, penalty.beta, penalty.state) == (1.0, 2.0, {})


def test_a_state_that_no_record_can_hold_is_a_reason(record_of):
    penalty = Counting()
    penalty.kept[0] = float("inf")
    record = record_of("methods", penalty=penalty)
    assert record.status == "failed"
    assert record.reason.startswith("ValueError: no record can hold it")


def test_weights_that_are_no_numbers_are_named_at_the_first_step(record_of):
    weighted = Weighted()
    weighted.weights = {"fit": "high"}
    record = record_of("methods", penalty=weighted)
    assert "alpha of a loss has to be one number, got 'high'" in record.reason


def test_terms_of_samples_are_named_at_the_first_step(record_of):
    def terms(model, batch, generator):
        output = model(batch.inputs)["position"]
        return {"fit": (output - batch.targets["position"]).square().mean((1, 2))}

    record = record_of("methods", terms=terms, penalty=lambda terms: terms["fit"].mean())
    assert "fit of a loss has to be one number, got shape (4,)" in record.reason


def test_what_is_left_can_be_read(record_of):
    record = record_of("methods", penalty=Counting())
    assert run_record.parse(json.loads(files.as_text(record))) == record


FORGOTTEN = {
    "models": "build(signature): nn.Linear(3, 3)",
    "methods": "build(task): Method(train=iter)",
    "tasks": "load(seed): pass",
}
KINDS = {"models": "Module", "methods": "Method", "tasks": "Task"}


@pytest.mark.parametrize("kind", FORGOTTEN)
def test_a_forgotten_return_is_named(kind, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(f"from torch import nn\nfrom bench import Method\ndef {FORGOTTEN[kind]}\n")
    part = kind.removesuffix("s")
    record = execute(replace(RUN, **{part: Plugin(str(file))}), "cpu", lambda _: None).record
    assert record.reason.endswith(f"mine.py has to return a {KINDS[kind]}, not NoneType")


def test_a_wrap_has_to_return_a_network(record_of):
    record = record_of("methods", wrap=lambda model: None)
    assert "wrap of plain has to return a Module, not NoneType" in record.reason


def test_a_training_that_yields_nothing_is_named(record_of):
    training = {"train": lambda run, task, model: iter(()), "terms": None, "penalty": None}
    assert "ended before its first validation" in record_of("methods", **training).reason
