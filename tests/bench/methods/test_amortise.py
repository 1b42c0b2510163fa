"""Amortised invariance: the head in closed form, the families, a short run."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from bench import Plugin
from bench.methods.amortise import choose_corner, fit_head, list_families
from bench.tasks.two_rotations import RIGHT
from bench.training.execute import execute
from bench.training.selection import load_sweep
from remul import POINT, SCALAR, PlanarGroup, Rep, Signature

RUN = next(run for run in load_sweep("amortise") if run.task.name == "two_rotations")
SMALL = Plugin("two_rotations", {"train": 200, "val": 20, "test": 200})


def test_the_error_is_that_of_each_sample_left_out():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 12, 3, generator=generator)
    errors = []
    for i in range(12):
        rest = [j for j in range(12) if j != i]
        head = fit_head(x[rest], y[rest], 0.1)[0]
        errors.append((x[i] @ head[:-1] + head[-1] - y[i]).square().mean())
    assert_close(fit_head(x, y, 0.1)[1], torch.stack(errors), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("excess", "corner"),
    [
        ([0.0, 0.0, 0.0, 0.01], [1, 1]),
        ([0.0, 0.01, 1.0, 1.0], [0, 1]),
        ([0.0, 0.02, 0.01, 1.0], [1, 0]),
        ([0.0, 1.0, 1.0, 1.0], [0, 0]),
    ],
)
def test_what_the_labels_do_not_speak_against_is_left_out(excess, corner):
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    spread = torch.rand(100, generator=torch.Generator().manual_seed(0))  # standard error 0.03
    errors = spread + torch.tensor(excess)[:, None]
    assert choose_corner(corners, errors).tolist() == corner


def test_planar_fields_have_a_family_each():
    planar = {name: Rep("2x0e", objects=0, space=name) for name in ("u", "w")}
    families = list_families(Signature(planar, {"y": SCALAR}))
    assert families == [
        PlanarGroup({"u": (1,), "w": (0, 0)}),
        PlanarGroup({"u": (0, 0), "w": (1,)}),
    ]


def test_clouds_have_rotations_translations_and_permutations(draw, generator):
    x = {"x": draw(4, 5, 3)}
    rotation, translation, _ = list_families(Signature({"x": POINT}, {"y": SCALAR}))
    assert rotation.sample(x, generator).translation.abs().max() == 0
    g = translation.sample(x, generator)
    assert_close(g.rotation, torch.eye(3).double().expand(4, 3, 3))
    assert g.translation.abs().min() > 0


@pytest.mark.slow
def test_a_short_run_learns_invariances():
    run = replace(RUN, task=SMALL, steps=300)
    record = execute(run, "cpu", lambda step: None).record
    assert record.status == "done", record.reason
    assert record.scores["kept_u"] > record.scores["lost_u"]
    assert {f"accuracy_{name}" for name in RIGHT} <= record.scores.keys()


def test_clouds_fit_their_network():
    task = Plugin("three_invariances", {"train": 200, "val": 20, "test": 100})
    run = next(run for run in load_sweep("amortise") if run.task.name == task.name)
    record = execute(replace(run, task=task, steps=20), "cpu", lambda step: None).record
    assert record.status == "done", record.reason
    assert {"right", "kept_rotation", "lost_order", "accuracy_place"} <= record.scores.keys()


def test_other_models_are_refused():
    run = replace(RUN, model=Plugin("mlp"), task=SMALL)
    assert "discovery/hyper" in execute(run, "cpu", lambda step: None).record.reason
