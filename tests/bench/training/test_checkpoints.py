"""Checkpoints: a training that was stopped goes on to the bit, and none goes on from another's."""

from dataclasses import replace

import pytest
import torch

from bench.core.config import OPTIMISERS, Plugin, Run
from bench.records.run_store import CHECKPOINT
from bench.records.tensors import read_tree, write_tree
from bench.system import environment
from bench.training import checkpoints, history
from bench.training.build import build
from bench.training.checkpoints import NO_CHECKPOINT, Checkpoint
from bench.training.execute import execute
from bench.training.generators import seed_global_generators
from bench.training.loop import train
from bench.training.multi_seed import train_seeds
from remul import Dual

RUN = Run(
    Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8}),
    Plugin("transformer", {"channels": 8, "layers": 1, "heads": 2}),
    Plugin("plain"),
    steps=6,
    batch_size=5,
    lr=1e-2,
    validations=3,
    elements=2,
    samples=4,
)
METHODS = [
    Plugin("augment"),
    Plugin("remul"),
    Plugin("gradnorm"),
    Plugin("dual"),
    Plugin("ramp", {"steps": 4}),
]
AT_ONCE = [RUN.method, *(method for method in METHODS if method.name != "gradnorm")]
ACE = {"model": Plugin("discovery/relaxed_egnn", {"channels": 4}), "method": Plugin("ace")}
NOISY = '''"""A network that draws from every global generator."""
import random
import numpy as np
import torch
from torch import nn
def build(signature):
    return Noisy()
class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
    def forward(self, inputs):
        x = inputs["position"] * self.weight
        noise = torch.rand(()) + np.random.rand() + random.random() if self.training else 0.0
        return {"position": x + noise}
'''


class Stop(Exception):  # noqa: N818 - no error: a process that is gone
    """The training is stopped: nothing of what it has in memory is kept."""


class Stopping(Checkpoint):
    """A checkpoint after each step, in a process that dies after the `last` of them."""

    last = None

    def save(self, step, losses, parts):
        super().save(step, losses, parts)
        if step == self.last:
            raise Stop


def stopping(file, runs, last=None):
    """Such a checkpoint, and what it says."""
    lines = []
    checkpoint = Stopping(file, runs, every_s=0.0, tell=lambda line: lines.append(line.text))
    checkpoint.last = last
    return checkpoint, lines


def ignore(_):
    pass


def left(part, score):
    """What has to be the same: score, curve, penalty and weights."""
    _, model, method = part
    curve = history.as_csv(method.penalty.points)
    weights = {name: weight.tolist() for name, weight in model.state_dict().items()}
    return score, curve, history.final_weights(method.penalty.penalty), weights


def train_one(runs, checkpoint=NO_CHECKPOINT):
    (run,) = runs
    part = build(run, "cpu")
    with seed_global_generators(run):
        return [left(part, train(run, *part, ignore, checkpoint))]


def train_at_once(runs, checkpoint=NO_CHECKPOINT):
    parts = [build(run, "cpu") for run in runs]
    ends = train_seeds(runs, parts, ignore, checkpoint)
    return [left(part, end()) for part, end in zip(parts, ends, strict=True)]


def resume(train_runs, runs, file, stops=(2, 3)):
    """What a training comes to that is stopped after some steps and begun again each time."""
    for last in stops:
        with pytest.raises(Stop):
            train_runs(runs, stopping(file, runs, last)[0])
    checkpoint, lines = stopping(file, runs)
    resumed = train_runs(runs, checkpoint)
    assert lines[0].endswith(f"goes on from step {stops[-1]}")
    return resumed


@pytest.fixture
def file(tmp_path):
    return tmp_path / f"run{CHECKPOINT}"


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("model", [RUN.model, Plugin("gnn", {"channels": 4, "layers": 1})])
def test_an_optimiser_goes_on_to_the_bit(optimiser, model, file):
    runs = [replace(RUN, optimiser=optimiser, model=model)]
    assert resume(train_one, runs, file) == train_one(runs)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_penalty_goes_on_to_the_bit(method, file):
    runs = [replace(RUN, method=method)]
    assert resume(train_one, runs, file) == train_one(runs)


@pytest.mark.slow
def test_multipliers_go_on_to_the_bit(file):
    runs = [replace(RUN, **ACE)]
    assert resume(train_one, runs, file) == train_one(runs)


@pytest.mark.parametrize("stops", [(1,), (5,), (6,), (1, 2, 3, 4, 5)])
def test_a_run_may_be_stopped_after_any_step(stops, file):
    assert resume(train_one, [RUN], file, stops) == train_one([RUN])


def test_global_generators_go_on(file, tmp_path):
    model = tmp_path / "noisy.py"
    model.write_text(NOISY)
    runs = [replace(RUN, model=Plugin(str(model)))]
    assert resume(train_one, runs, file) == train_one(runs)


@pytest.mark.slow
@pytest.mark.parametrize("method", AT_ONCE, ids=lambda method: method.name)
@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
def test_seeds_at_once_go_on_to_the_bit(method, optimiser, file):
    runs = [replace(RUN, method=method, optimiser=optimiser, seed=seed) for seed in range(2)]
    assert resume(train_at_once, runs, file) == train_at_once(runs)


@pytest.mark.slow
def test_a_record_of_a_stopped_run_has_the_same_scores(file):
    execute(RUN, "cpu", ignore, stopping(file, [RUN], 4)[0])
    resumed, wanted = (
        execute(RUN, "cpu", ignore, checkpoint).record
        for checkpoint in (stopping(file, [RUN])[0], NO_CHECKPOINT)
    )
    assert resumed.status == "done"
    assert (resumed.scores, resumed.profiles) == (wanted.scores, wanted.profiles)


@pytest.fixture
def stopped(file):
    """The checkpoint of a run that was stopped."""
    with pytest.raises(Stop):
        train_one([RUN], stopping(file, [RUN], 3)[0])
    return file


def said(run, file):
    """What is said when a run starts beside a file that is none of its own: it starts anew."""
    lines = []
    checkpoint = Checkpoint(file, [run], tell=lambda line: lines.append(line.text))
    assert not checkpoint.is_usable()
    assert train_one([run], checkpoint) == train_one([run])
    return lines[0]


def test_other_code_starts_anew(stopped, monkeypatch):
    monkeypatch.setattr(checkpoints, "digest_code", lambda: "other")
    assert "of another code" in said(RUN, stopped)


def test_another_torch_starts_anew(stopped, monkeypatch):
    monkeypatch.setattr(checkpoints.torch, "__version__", "2.0.0")
    assert "of another torch" in said(RUN, stopped)


WAYS = {"compilation": environment.COMPILE, "graph": environment.GRAPH}


@pytest.mark.parametrize("way", WAYS)
def test_steps_taken_in_another_way_start_anew(way, stopped, monkeypatch):
    monkeypatch.setenv(WAYS[way], "1")
    checkpoint = Checkpoint(stopped, [RUN])
    assert not checkpoint.is_usable()
    with pytest.raises(ValueError, match=f"of another {way}"):
        checkpoint._read()


def test_another_e3nn_starts_anew(stopped, monkeypatch):
    monkeypatch.setattr(checkpoints.e3nn, "__version__", "0.0.0")
    assert "of another e3nn" in said(RUN, stopped)


def test_another_run_starts_anew(stopped):
    assert "of another run" in said(replace(RUN, lr=2e-2), stopped)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_torn_file_is_ignored(share, stopped):
    whole = stopped.read_bytes()
    stopped.write_bytes(whole[: int(share * len(whole))])
    assert "starts anew" in said(RUN, stopped)


def test_a_file_of_anything_else_is_ignored(file):
    write_tree(file, [1, 2])
    assert "starts anew" in said(RUN, file)


def test_a_short_run_writes_nothing(file):
    train_one([RUN], Checkpoint(file, [RUN], every_s=600.0))
    assert not file.exists()


def test_a_full_disk_costs_the_checkpoint_alone(file, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_tree", refuse)
    checkpoint, lines = stopping(file, [RUN])
    assert train_one([RUN], checkpoint) == train_one([RUN])
    assert lines[0].endswith("keeps no checkpoint: No space left on device")


def test_seconds_go_on(stopped):
    write_tree(stopped, read_tree(stopped) | {"spent_s": 1000.0})
    record = execute(RUN, "cpu", ignore, Checkpoint(stopped, [RUN])).record
    assert 1000 < record.seconds < 1100


def test_a_curve_has_the_errors_in_validation():
    (score, curve, *_) = train_one([RUN])[0]
    header, *rows = [line.split(",") for line in curve.splitlines()]
    errors = {int(row[0]): row[header.index("mse_val")] for row in rows}
    assert [step for step, error in errors.items() if error] == [2, 4, 6]
    assert min(float(error) for error in errors.values() if error) == pytest.approx(
        score["mse_val"], rel=1e-6
    )


def test_a_step_of_validation_alone_has_a_row_of_its_own():
    penalty = history.record_penalty(None, 1000)
    penalty.note({"fit": torch.ones(())})
    penalty.note_error(3, 0.5)
    assert [point["step"] for point in penalty.points] == [1, 3]


def test_a_curve_keeps_what_weights_were():
    """Not what they have become: a term may be a weight of the network, as with `ace`."""
    penalty, weight = history.record_penalty(None, 1), torch.nn.Parameter(torch.zeros(2))
    penalty.note({"whole": weight.sum(), "part": weight[0], "view": weight[1:]})
    with torch.no_grad():
        weight.add_(1.0)
    assert [float(x.sum()) for x in penalty.points[0].values() if torch.is_tensor(x)] == [0, 0, 0]


def test_weights_are_noted_as_they_were_before_the_stop():
    """Those of `Dual` are exponentials, which another precision rounds elsewhere."""
    terms = {"fit": torch.tensor(0.7), "equivariance": torch.tensor(0.3)}
    whole, stopped = (history.record_penalty(Dual(1e-2), 60) for _ in range(2))
    for _ in range(60):
        whole(terms)
        stopped(terms)
        resumed = history.record_penalty(Dual(1e-2), 60)
        resumed.load_state_dict(stopped.state_dict())
        stopped = resumed
    assert history.as_csv(stopped.points) == history.as_csv(whole.points)
