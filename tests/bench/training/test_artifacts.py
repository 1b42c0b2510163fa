"""What is kept of a trained network beside its record, and that it is the network again."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from msgspec import structs
from safetensors.torch import load_file

from bench.core import plugins
from bench.core.config import SYMMETRISE, Plugin, Run
from bench.records.run_store import PREDICTIONS, WEIGHTS, RunStore
from bench.training.artifacts import load_network, make_artifacts
from bench.training.execute import execute
from bench.training.multi_seed import execute_seeds
from bench.training.scores import squared_errors

RUN = Run(
    Plugin("nbody_gravity", {"train": 8, "val": 4, "test": 6, "ood": 5}),
    Plugin("mlp", {"channels": 4, "layers": 1}),
    Plugin("plain"),
    steps=3,
    batch_size=4,
    validations=1,
    elements=1,
    samples=2,
    symmetrise="group_average(tetrahedral)",
)


def kept(folder, *names, run=RUN):
    """The record of a run that keeps something, and its file."""
    store = RunStore(folder)
    trained = execute(run, "cpu", print, keep=partial(make_artifacts, names))
    store.keep(*trained)
    return trained.record, store.path(run)


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path):
    kept(tmp_path)
    assert not [*tmp_path.rglob("*.safetensors"), *tmp_path.rglob("*.npz")]


@pytest.mark.parametrize("how", SYMMETRISE)
def test_a_record_and_its_weights_are_the_network_that_was_scored(how, tmp_path):
    record, file = kept(tmp_path, "weights", run=replace(RUN, symmetrise=how))
    task, model = load_network(file)
    errors = squared_errors(model, task.test, task.signature.outputs)
    assert errors.mean == record.scores["mse_test"]


def test_weights_of_other_plugins_are_refused(tmp_path):
    record, file = kept(tmp_path, "weights")
    file.write_text(file.read_text().replace(record.key, "0" * 8))
    with pytest.raises(ValueError, match="has changed since it was trained"):
        load_network(file)


def test_a_training_without_artifacts_removes_those_of_before(tmp_path):
    kept(tmp_path, "weights", "predictions")
    kept(tmp_path)
    assert not [*tmp_path.rglob("*.safetensors"), *tmp_path.rglob("*.npz")]


def test_a_failure_leaves_the_artifacts_of_what_had_finished(tmp_path):
    record, file = kept(tmp_path, "weights")
    failed = structs.replace(record, status="failed")
    assert not RunStore(tmp_path).keep(failed, artifacts={WEIGHTS: b"others"})
    load_network(file)


def test_kept_weights_are_a_plain_state_dict(tmp_path):
    _, file = kept(tmp_path, "weights", run=replace(RUN, symmetrise="none"))
    state = load_network(file)[1].state_dict()
    weights = load_file(file.with_suffix(WEIGHTS))
    assert all(torch.equal(weights[name], state[name]) for name in weights.keys() | state.keys())


@pytest.mark.parametrize("split", ["val", "test", "ood"])
def test_predictions_are_those_that_were_scored(split, tmp_path):
    record, file = kept(tmp_path, "predictions")
    with np.load(file.with_suffix(PREDICTIONS), allow_pickle=False) as arrays:
        predicted = torch.from_numpy(arrays[f"{split}/position"])
    batch = load_split(split)
    error = (predicted - batch.targets["position"]).double().square().mean().item()
    if split != "val":  # its score is that of the network as it was trained
        assert error == pytest.approx(record.scores[f"mse_{split}"], rel=1e-6)
    assert len(predicted) == {"val": 4, "test": 6, "ood": 5}[split]


def load_split(name):
    task = plugins.load("tasks", RUN.task.name).load(RUN.seed, **RUN.task.kwargs)
    return task.val if name == "val" else task.splits[name]


def test_seeds_at_once_keep_their_own(tmp_path):
    store, runs = RunStore(tmp_path), [replace(RUN, symmetrise="none", seed=s) for s in range(2)]
    keep = partial(make_artifacts, ["weights"])
    for trained in execute_seeds(runs, "cpu", print, keep=keep):
        store.keep(*trained)
        task, model = load_network(store.path(trained.record.run))
        assert (
            squared_errors(model, task.val, task.signature.outputs).mean
            == trained.record.scores["mse_val"]
        )


def test_a_record_without_weights_says_so(tmp_path):
    _, file = kept(tmp_path)
    with pytest.raises(ValueError, match=r"weights.safetensors cannot be read"):
        load_network(file)
