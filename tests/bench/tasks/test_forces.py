"""Forces in natural units: what the loss weighs, and what a run's network gives."""

import pytest
import recordings
import torch
from torch.testing import assert_close

from bench import Plugin, Run
from bench.tasks import md_gfn2_forces
from bench.training.build import build

SIZES = {"frames": 300, "train": 6, "val": 2, "test": 4}


@pytest.fixture(autouse=True)
def springs(tmp_path, monkeypatch):
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    recordings.quicken(monkeypatch)


def test_no_forces_at_all_are_a_loss_of_one():
    task = md_gfn2_forces.load(0, "ethanol", **SIZES)
    force = task.train.targets["force"]
    assert_close(task.distance(torch.zeros_like(force), force), torch.tensor(1.0))


def test_a_network_of_a_run_gives_multiples_of_the_scale():
    model = Plugin("painn", {"channels": 4, "layers": 1})
    task, network, _ = build(Run(Plugin("md_gfn2_forces", SIZES), model, Plugin("plain")), "cpu")
    inputs = task.test.inputs
    expected = {name: task.scales[name] * x for name, x in network.network(inputs).items()}
    assert_close(network(inputs), expected)


def test_conservative_forces_of_a_run_are_minus_the_gradient():
    model = Plugin("painn", {"channels": 4, "layers": 1, "conservative": True})
    task, network, _ = build(Run(Plugin("md_gfn2_forces", SIZES), model, Plugin("plain")), "cpu")
    x = task.test.inputs["position"].requires_grad_()
    outputs = network(task.test.inputs)
    (slope,) = torch.autograd.grad(outputs["energy"].sum(), x)
    assert_close(outputs["force"], -slope)
