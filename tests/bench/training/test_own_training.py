"""Methods that train in their own way, and tasks that bring their own scores."""

import csv
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from bench import Method, Plugin, Run
from bench.core import plugins
from bench.training import build as building
from bench.training import scores
from bench.training.build import build
from bench.training.checkpoints import Checkpoint
from bench.training.execute import execute
from bench.training.loop import take_steps, train
from bench.training.multi_seed import MultiSeedTrainer

RUN = Run(
    Plugin("nbody_gravity", {"train": 8, "val": 8, "test": 8, "ood": 8}),
    Plugin("mlp", {"channels": 8, "layers": 1}),
    Plugin("plain"),
    steps=5,
    validations=5,
    elements=2,
)


def shrink(run, task, model):
    """Halves all weights in each step."""
    while True:
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(0.5)
        yield sum(weight.square().sum() for weight in model.parameters())


SHRINKING = Method(train=shrink, constrained=True)


def count_weights(model):
    return sum(weight.numel() for weight in model.parameters())


SCORES = {"weights": count_weights, "beauty": lambda model: getattr(model, "beauty", None)}


@pytest.fixture
def shrinking(monkeypatch):
    """Every run trains by `shrink` and has the scores of `SCORES`."""
    load = plugins.load

    def changed(kind, name):
        module = load(kind, name)
        return {"methods": Shrinking, "tasks": Scored(module)}.get(kind, module)

    monkeypatch.setattr(building.plugins, "load", changed)


class Shrinking:
    build = staticmethod(lambda task: SHRINKING)


class Scored:
    def __init__(self, module):
        self.load = lambda seed, **options: replace(module.load(seed, **options), scores=SCORES)


def test_a_method_takes_its_own_steps(shrinking):
    task, model, method = build(RUN, "cpu")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    best = train(RUN, task, model, method, lambda step: None)
    assert best["best_step"] == 5
    assert_close(model.state_dict(), {name: w / 32 for name, w in before.items()})


def test_as_many_steps_are_taken_as_the_run_has(shrinking):
    assert len([*take_steps(RUN, *build(RUN, "cpu"))]) == 5


def test_the_curve_is_that_of_the_losses(shrinking):
    rows = [*csv.DictReader(execute(RUN, "cpu", lambda step: None).curve.splitlines())]
    losses = [float(row["fit"]) for row in rows]
    assert losses[4] == pytest.approx(losses[0] / 4**4)


def test_scores_of_the_task_are_in_the_record(shrinking):
    record = execute(RUN, "cpu", lambda step: None).record
    assert record.status == "done", record.reason
    assert record.scores["weights"] == count_weights(build(RUN, "cpu")[1])


@pytest.mark.parametrize(("name", "value"), [("optimiser", "muon"), ("decay", "cosine")])
def test_what_its_steps_do_not_read_is_refused(shrinking, name, value):
    run = replace(RUN, **{name: value})
    with pytest.raises(ValueError, match=f"plain trains in its own way, which has no {name}"):
        take_steps(run, *build(run, "cpu"))


def test_scores_of_the_task_are_measured_where_its_samples_are(shrinking):
    task, model, _ = build(RUN, "cpu")
    moves = []
    model.to = moves.append
    scored = replace(task, scores={"moves": lambda model: len(moves)})
    assert scores.own_scores(scored, model) == {"moves": 1}
    assert list(map(str, moves)) == ["cpu", "cpu"]


def test_a_score_that_a_model_does_not_have_is_left_out(shrinking):
    assert "beauty" not in execute(RUN, "cpu", lambda step: None).record.scores


def test_a_surface_is_refused(shrinking):
    record = execute(replace(RUN, surface=3), "cpu", lambda step: None).record
    assert "loss surface" in record.reason


def test_seeds_are_trained_one_at_a_time(shrinking):
    runs = [RUN, replace(RUN, seed=1)]
    with pytest.raises(ValueError, match="its own way"):
        MultiSeedTrainer(runs, [build(run, "cpu") for run in runs])


@pytest.mark.parametrize("parts", [{}, {"train": shrink, "terms": shrink}], ids=["none", "both"])
def test_a_method_has_terms_and_penalty_or_train(parts):
    with pytest.raises(ValueError, match="or else its own train"):
        Method(**parts)


def test_a_method_of_its_own_keeps_no_checkpoint_and_says_so(shrinking, tmp_path):
    lines, file = [], tmp_path / "checkpoint"
    checkpoint = Checkpoint(file, [RUN], every_s=0.0, tell=lines.append)
    assert execute(RUN, "cpu", lambda step: None, checkpoint).record.status == "done"
    assert not file.exists()
    assert [line.text.partition(" ")[2] for line in lines] == [
        "keeps no checkpoint, as it trains in its own way"
    ]
