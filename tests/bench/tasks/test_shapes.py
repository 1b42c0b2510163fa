"""Shapes on a grid: what poses do to them, and REMUL's own loss there."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from bench.tasks.shapes import POSES, draw_shapes, load
from bench.training.execute import execute
from bench.training.selection import load_sweep
from models.discovery.grid_net import build

every_kind = pytest.mark.parametrize("kind", POSES)


@every_kind
def test_the_first_pose_is_none(kind):
    task = load(0, kind, train=6, noise=0.0)
    classes = task.train.targets["class"].argmax(-1)
    assert_close(task.train.inputs["x"], draw_shapes(kind)[classes])


@every_kind
def test_a_sample_in_another_pose_is_of_its_class(kind):
    task = load(0, kind, test=40, noise=0.0)
    every = torch.einsum(
        "gij,cj->gci", task.group.matrices["grid"].float(), draw_shapes(kind)
    )  # (poses, classes, pixels)
    distance = (task.test.inputs["x"][:, None, None] - every).square().sum(-1).amin(1)
    assert (distance.argmin(-1) == task.test.targets["class"].argmax(-1)).all()


def test_a_grid_has_to_be_square():
    signature = load(0, "shifts", train=6, val=6, test=6).signature
    with pytest.raises(ValueError, match="24 pixels are no grid of 2"):
        build(signature)


@pytest.mark.slow
@every_kind
def test_remul_answers_in_poses_that_it_has_not_seen(kind):
    runs = [run for run in load_sweep("shapes") if run.task.kwargs["kind"] == kind]
    names = [("plain", None), ("remul", 10.0)]
    pair = [
        next(r for r in runs if (r.method.name, r.method.kwargs.get("beta")) == name)
        for name in names
    ]
    plain, remul = (
        execute(replace(run, steps=120), "cpu", lambda step: None).record.scores for run in pair
    )
    assert remul["equivariance_error_test"] < 0.7 * plain["equivariance_error_test"]
    assert remul["accuracy"] > plain["accuracy"] + 0.1
