"""Methods beside REMUL: each trains, keeps what it is to keep, and refuses what it cannot take."""

import csv
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from bench import Plugin, Run
from bench.core import plugins
from bench.training.build import build
from bench.training.execute import execute
from bench.training.loop import take_steps, train
from bench.training.multi_seed import train_seeds
from remul import SO3, act, equivariance_error

TASK = Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8})
TINY = {"channels": 8, "layers": 1}
TRANSFORMER = Plugin("transformer", {**TINY, "heads": 2})
GNN = Plugin("gnn", TINY)
RELAXED = Plugin("discovery/relaxed_egnn", TINY)
CASES = {
    "lie_penalty": (TRANSFORMER, Plugin("lie_penalty")),
    "hinge": (TRANSFORMER, Plugin("hinge")),
    "latent": (TRANSFORMER, Plugin("latent")),
    "latent of gnn": (GNN, Plugin("latent")),
    "frames": (TRANSFORMER, Plugin("frames")),
    "canonical": (TRANSFORMER, Plugin("frames", {"kind": "canonical"})),
    "ace": (RELAXED, Plugin("ace", {"lr": 0.1})),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def run_of(case, **options):
    model, method = case
    base = Run(TASK, model, method, steps=3, batch_size=8, validations=1, elements=2, samples=8)
    return replace(base, **options)


@pytest.mark.slow
@every_case
def test_a_run_comes_to_its_end_with_its_curve(case):
    trained = execute(run_of(case), "cpu", lambda step: None)
    assert trained.record.status == "done", trained.record.reason
    assert len(trained.curve.splitlines()) == 4


@every_case
def test_every_weight_is_trained(case):
    run = run_of(case)
    task, model, method = build(run, "cpu")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    list(take_steps(run, task, model, method))
    same = {n for n, weight in model.state_dict().items() if torch.equal(weight, before[n])}
    assert same == set()


@pytest.mark.slow
@every_case
def test_a_loss_surface_is_measured_and_changes_no_weight(case):
    surface = execute(run_of(case, surface=3), "cpu", lambda step: None).surface
    assert surface.line[1] == pytest.approx(surface.plane[1][1])


def test_a_curve_keeps_what_weights_were():
    lines = execute(run_of(CASES["ace"]), "cpu", lambda step: None).curve.splitlines()
    assert len({row["gamma_1"] for row in csv.DictReader(lines)}) == 3


@pytest.mark.parametrize("name", ["frames", "canonical"])
def test_training_through_frames_leaves_an_exact_network(name, generator):
    task, model, _ = build(run_of(CASES[name]), "cpu")
    inputs = {n: x.double() for n, x in task.test.inputs.items()}
    g = SO3.sample(inputs, generator)
    assert equivariance_error(model.double(), inputs, task.signature, g).max() < 1e-10


@pytest.mark.parametrize("name", ["frames", "latent", "latent of gnn", "lie_penalty"])
def test_seeds_are_refused_at_once_in_one_line(name):
    runs = [run_of(CASES[name], seed=seed) for seed in range(2)]
    with pytest.raises(ValueError, match=r"^(the method takes derivatives|its operations are for)"):
        train_seeds(runs, [build(run, "cpu") for run in runs], lambda step: None)


@pytest.mark.parametrize(
    ("model", "method", "words"),
    [("egnn", "ace", "gammas"), ("mlp", "latent", "no layers are known")],
)
def test_a_network_that_a_method_cannot_take_is_refused(model, method, words):
    with pytest.raises(ValueError, match=words):
        build(run_of((Plugin(model), Plugin(method))), "cpu")


@pytest.mark.parametrize("name", ["lie_penalty", "latent"])
def test_a_task_of_another_group_is_refused(name):
    with pytest.raises(ValueError, match="all rotations"):
        build(run_of((TRANSFORMER, Plugin(name)), task=Plugin("two_rotations")), "cpu")


def test_an_unknown_kind_of_frames_is_refused():
    task = plugins.load("tasks", TASK.name).load(0, **TASK.kwargs)
    with pytest.raises(ValueError, match="average, canonical"):
        plugins.load("methods", "frames").build(task, kind="best")


def budget(copies, **options):
    return run_of((GNN, Plugin("augment", {"copies": copies})), **options)


def test_a_budget_of_copies_is_a_larger_training_set():
    task, _, method = build(budget(3), "cpu")
    assert len(method.data) == 3 * len(task.train)


def test_copies_are_turned_as_their_poses_say():
    task, _, method = build(budget(3), "cpu")
    second = method.data[len(task.train) : 2 * len(task.train)]
    for side, types in (("inputs", task.signature.inputs), ("targets", task.signature.outputs)):
        turned = act(method.poses[1], getattr(task.train, side), types)
        assert_close(getattr(second, side), turned)


def test_a_smaller_budget_is_part_of_a_larger_one():
    small, large = (build(budget(copies), "cpu")[2].data for copies in (2, 3))
    assert_close(large[: len(small)].inputs, small.inputs)


def test_a_budget_trains_alone_and_at_once_alike():
    runs = [budget(2, seed=seed) for seed in range(2)]
    ends = train_seeds(runs, [build(run, "cpu") for run in runs], lambda step: None)
    alone = [train(run, *build(run, "cpu"), lambda step: None) for run in runs]
    assert [end()["mse_val"] for end in ends] == pytest.approx([x["mse_val"] for x in alone], 1e-4)


def test_no_copies_are_refused():
    for copies in (0, 1.5):
        with pytest.raises(ValueError, match="copies has to be a whole number from 1"):
            build(budget(copies), "cpu")


def test_a_method_is_built_for_another_device():
    assert build(run_of(CASES["latent"]), "meta")[1].transform is not None


@pytest.mark.parametrize("task", ["number_sums", "linear_maps"])
def test_rotations_of_what_they_do_not_move_are_refused(task):
    module = plugins.load("methods", "augment")
    with pytest.raises(ValueError, match="no group acts on this task"):
        module.build(plugins.load("tasks", task).load(0), group="so3")


BAD = {
    "amortise": ({"share": 1.0}, {"labelled": 0}, {"temperature": 0.0}, {"ridge": -1.0}),
    "evidence": ({"every": 0}, {"updates": -1}, {"precision": 0.0}, {"rate": 0.0}),
    "sharing": ({"restarts": 0},),
    "bilevel": ({"inner_steps": -1},),
}


@pytest.mark.parametrize(("name", "options"), [(k, one) for k in BAD for one in BAD[k]])
def test_options_that_train_nothing_are_refused(name, options):
    task = plugins.load("tasks", "nbody_gravity").load(0, **TASK.kwargs)
    with pytest.raises(ValueError, match=f"got .*{str(*options.values())}"):
        plugins.load("methods", name).build(task, **options)


def test_a_record_has_the_tails_of_its_errors():
    scores = execute(run_of((GNN, Plugin("plain"))), "cpu", lambda step: None).record.scores
    error, p95, largest = (
        scores[f"equivariance_error{statistic}_test"] for statistic in ("", "_p95", "_max")
    )
    assert error < p95 < largest
