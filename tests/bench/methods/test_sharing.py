"""Parameter sharing that is learned: the closed lower problem, the search, a small run."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import one_hot
from torch.testing import assert_close

from bench import Plugin
from bench.core import plugins
from bench.data.maps import shared_weights
from bench.data.partitions import partition_distance
from bench.methods._tying import Quadratic, Search, row_entropy, size_norm
from bench.training.execute import execute
from bench.training.selection import load_sweep

LINEAR = plugins.load("tasks", "linear_maps")
CIRCULANT = shared_weights("circulant", 4)


@pytest.fixture
def samples(draw):
    x = draw(30, 3)
    return x, x @ draw(3, 2) + 0.1 * draw(30, 2)


def test_the_quadratic_is_the_mean_squared_error(samples, draw):
    x, y = samples
    weight = draw(2, 3)
    expected = (x @ weight.mT - y).square().mean()
    assert_close(Quadratic.of(x, y).loss(weight.flatten()), expected)


def test_untied_weights_are_least_squares(samples):
    fitted = Quadratic.of(*samples).fit(torch.eye(6).double())
    expected = torch.linalg.lstsq(*samples).solution.mT.flatten()
    assert_close(fitted, expected, rtol=1e-4, atol=1e-4)


def test_tied_weights_are_least_squares_of_the_sums(samples):
    x, y = samples
    fitted = Quadratic.of(x, y).fit(torch.ones(6, 1).double())
    total = x.sum(1, keepdim=True).expand(-1, 2).flatten()
    assert_close(fitted[0], (total @ y.flatten()) / (total @ total), rtol=1e-4, atol=1e-4)


def test_a_hard_assignment_has_roots_of_sizes_and_no_entropy():
    assignment = one_hot(torch.tensor([0, 0, 0, 0, 1])).double()
    assert_close(size_norm(assignment), torch.tensor(3.0).double())
    assert row_entropy(assignment) == 0


def test_the_polish_finds_a_circulant_map_from_a_random_labelling():
    task = LINEAR.load(0, n=4, train=50, noise=0.1, weights="steps")
    parts = [Quadratic.of(b.inputs["x"], b.targets["y"]) for b in (task.train, task.val)]
    start = torch.randint(4, (16,), generator=torch.Generator().manual_seed(2))
    labels = Search(*parts, 0.03).polish(start, 4)
    assert partition_distance(labels, CIRCULANT) == 0


def scores(run):
    record = execute(run, "cpu", lambda step: None).record
    assert record.status == "done", record.reason
    return record.scores


def smallest(task, polish=True):
    runs = (run for run in load_sweep("sharing") if run.task.name == task)
    run = next(run for run in runs if run.method.kwargs["polish"] == polish)
    method = Plugin("sharing", {**run.method.kwargs, "restarts": 6})
    return replace(run, method=method, steps=60)


def test_equal_means_are_found():
    run = replace(smallest("gaussian_means"), task=Plugin("gaussian_means", {"groups": 3}))
    found = scores(run)
    assert found["partition_distance"] == 0
    assert found["mean_mse"] < found["unshared_mse"]


def test_a_circulant_map_is_found():
    found = scores(smallest("linear_maps"))
    assert found["partition_distance"] == 0
    assert found["of_least_squares"] < 0.5


def test_other_models_are_refused():
    run = replace(smallest("linear_maps"), model=Plugin("mlp"))
    assert "discovery/tied has" in execute(run, "cpu", lambda step: None).record.reason
