"""A worker keeps the state of a training until its run has come to its end and is written."""

import pytest
from msgspec import structs

from bench import Plugin, Run, worker
from bench.core.config import to_plain
from bench.core.outcomes import UNWRITABLE
from bench.records.run_record import blank_record
from bench.records.run_store import CHECKPOINT, RunStore
from bench.system.protocol import Done, Failed, Train, TrainSeeds
from bench.training.execute import TrainedRun

RUNS = [Run(Plugin("nbody_gravity"), Plugin("mlp"), Plugin("plain"), seed=s) for s in range(2)]
TRAINED = [TrainedRun(blank_record(run), "") for run in RUNS]


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """The file of a training that is under way."""
    monkeypatch.setattr(worker.environment, "spare_memory", lambda _: None)
    monkeypatch.setattr(worker, "_is_faster", lambda *_: True)
    file = RunStore(tmp_path).path(RUNS[0]).with_suffix(CHECKPOINT)
    file.parent.mkdir(parents=True)
    file.touch()
    return file


def ended(trained, status):
    return trained._replace(record=structs.replace(trained.record, status=status))


def train(folder):
    """What a worker says of a run."""
    said = []
    worker.train(Train(to_plain(RUNS[0]), str(folder), "cpu"), said.append)
    return said


STATUSES = [("done", True), ("diverged", True), ("failed", False), ("oom", False)]


@pytest.mark.parametrize(("status", "dropped"), STATUSES)
def test_what_a_run_may_go_on_from_stays(status, dropped, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "execute", lambda *_: ended(TRAINED[0], status))
    train(tmp_path)
    assert checkpoint.exists() != dropped


@pytest.mark.parametrize(
    ("statuses", "dropped"), [(("failed",) * 2, False), (("failed", "done"), True)]
)
def test_seeds_go_on_where_all_may(statuses, dropped, checkpoint, tmp_path, monkeypatch):
    ends = map(ended, TRAINED, statuses)
    monkeypatch.setattr(worker.multi_seed, "execute_seeds", lambda *_: ends)
    request = TrainSeeds([to_plain(run) for run in RUNS], str(tmp_path), "cpu")
    worker.train_seeds(request, lambda _: None)
    assert checkpoint.exists() != dropped


def test_what_cannot_be_written_may_go_on(checkpoint, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device", "weights")

    monkeypatch.setattr(worker, "execute", lambda *_: TRAINED[0])
    monkeypatch.setattr(RunStore, "keep", refuse)
    assert train(tmp_path) == [Failed(UNWRITABLE, "weights: No space left on device")]
    assert checkpoint.exists()


def test_what_was_left_out_is_a_line(checkpoint, tmp_path, monkeypatch):
    record = structs.replace(TRAINED[0].record, reason="left out: mine is nan")
    monkeypatch.setattr(worker, "execute", lambda *_: TrainedRun(record, ""))
    line, end = train(tmp_path)
    assert (line.text.partition(": ")[2], end) == ("left out: mine is nan", Done())


@pytest.mark.parametrize(("alone_ms", "begun"), [(2.0, True), (1.0, False)])
def test_seeds_are_trained_at_once_where_that_is_faster(alone_ms, begun, tmp_path, monkeypatch):
    at_once, said = [], []
    monkeypatch.setattr(worker.environment, "spare_memory", lambda _: None)
    monkeypatch.setattr(worker.closures, "compare_steps", lambda *_: (alone_ms, 1.5))
    monkeypatch.setattr(worker.multi_seed, "execute_seeds", lambda *_: at_once.append(1) or [])
    request = TrainSeeds([to_plain(run) for run in RUNS], str(tmp_path), "cpu")
    worker.train_seeds(request, said.append)
    assert bool(at_once) == begun
    assert said[0].text.endswith("as fast" if begun else "as fast, so one seed at a time")
