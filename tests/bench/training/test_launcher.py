"""What a command does of its options for runs that have finished."""

from dataclasses import replace

import pytest

from bench.core.config import Plugin, Run
from bench.records.run_record import blank_record
from bench.records.run_store import WEIGHTS, RunStore
from bench.system import environment
from bench.training import scalars
from bench.training.launcher import TrainingOptions, train_missing

RUNS = [Run(Plugin("nbody_gravity"), Plugin("mlp"), Plugin("plain"), seed=s) for s in range(3)]


@pytest.fixture
def options(tmp_path):
    """Three runs that have finished, to be trained where they have not."""
    store = RunStore(tmp_path / "machine")
    for run in RUNS:
        store.write(blank_record(run))
    return TrainingOptions(RUNS, store, "cpu", 1, 0.0, force=False)


def test_a_log_folder_that_is_a_file_is_named_before_training(options, tmp_path):
    file = tmp_path / "logs"
    file.touch()
    with pytest.raises(ValueError, match=r"--log-dir .*logs cannot be written"):
        train_missing(replace(options, log_dir=file))


def test_finished_runs_that_a_log_folder_lacks_are_written(options, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(scalars, "write_scalars", lambda _, record, __: written.append(record.run))
    (tmp_path / "logs" / options.store.path(RUNS[1]).stem).mkdir(parents=True)
    train_missing(replace(options, log_dir=tmp_path / "logs"))
    assert written == [RUNS[0], RUNS[2]]


def test_finished_runs_without_what_is_to_be_kept_are_counted(options, monkeypatch, capsys):
    monkeypatch.setenv(environment.KEPT, "weights")
    options.store.path(RUNS[0]).with_suffix(WEIGHTS).touch()
    train_missing(options)
    said = "2 of the finished runs have no weights; --force trains them again"
    assert said in capsys.readouterr().out
