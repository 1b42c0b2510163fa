"""Engines: how they are written, what they refuse, and what becomes of jobs of Slurm."""

import os

import pytest

from bench.cli import main
from bench.system import machine
from bench.training import engines, launcher, slurm
from bench.training.engines import Choice, open_engine, parse
from bench.training.slurm import LostJobError, SlurmExecutor


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("local", Choice()),
        ("slurm", Choice("slurm", {"time": 60, "requeue": 0})),
        (
            "slurm:partition=gpu,gpus=1,time=30,memory=8",
            Choice(
                "slurm",
                {"time": 30, "requeue": 0, "partition": "gpu", "gpus": 1, "memory": "8GB"},
            ),
        ),
        ("dask=tcp://h:8786", Choice("dask", {"address": "tcp://h:8786"})),
    ],
)
def test_an_engine_is_written_in_one_word(text, choice, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda _: True)
    assert parse(text) == choice


@pytest.mark.parametrize(
    "text", ["", "pbs", "dask", "local:x", "slurm:gpus=many", "slurm:gpus", "slurm:shape=3"]
)
def test_another_is_refused_in_one_line(text, capsys):
    assert main(["run", "quick", "--engine", text, "--dry-run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize(("text", "package"), [("slurm", "submitit"), ("dask=a", "distributed")])
def test_an_engine_without_its_package_is_one_line(text, package, monkeypatch, capsys):
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    assert main(["run", "quick", "--engine", text]) == 2
    assert f"needs {package}: pip install 'remul[" in capsys.readouterr().err


def test_slurm_is_asked_for_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ValueError, match="there is no sbatch here"),
        open_engine(Choice("slurm", slurm.parse("")), 2, tmp_path),
    ):
        pass


@pytest.mark.system  # it imports distributed
def test_a_dask_that_does_not_answer_is_one_line(monkeypatch, tmp_path):
    pytest.importorskip("distributed")
    monkeypatch.setattr(engines, "CONNECT_S", 0.2)
    with (
        pytest.raises(ValueError, match="no Dask scheduler answers at 'tcp"),
        open_engine(Choice("dask", {"address": "tcp://127.0.0.1:9"}), 2, tmp_path),
    ):
        pass


@pytest.mark.system
def test_a_scheduler_without_the_checkout_is_one_line(monkeypatch, tmp_path):
    distributed = pytest.importorskip("distributed")
    from distributed.deploy import LocalCluster

    monkeypatch.setattr(
        distributed.Client, "run_on_scheduler", lambda _, look, name: look(f"no_{name}")
    )
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        pytest.raises(ValueError, match="cannot import bench"),
        open_engine(Choice("dask", {"address": cluster.scheduler_address}), 2, tmp_path),
    ):
        pass


@pytest.mark.parametrize(("engine", "flags"), [("local", ["--no-timing"]), ("dask=a", [])])
def test_without_a_gpu_here_none_is_asked_of_this_machine(engine, flags, monkeypatch, capsys):
    monkeypatch.setattr(engines, "find_spec", lambda _: True)
    monkeypatch.setattr(machine, "_output", lambda *_: "")
    arguments = ["run", "quick", "--device", "cuda", "--engine", engine, *flags]
    assert main(arguments) == 2
    assert "no CUDA device on this machine" in capsys.readouterr().err


def test_nodes_may_have_a_gpu_where_there_is_none_here(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(engines, "find_spec", lambda _: True)
    monkeypatch.setattr(machine, "_output", lambda *_: "")
    monkeypatch.setattr(launcher, "estimate", lambda options: options.store.root.name)
    arguments = ["run", "quick", "--device", "cuda", "--engine", "dask=a", "--no-timing"]
    assert main([*arguments, "--results", str(tmp_path), "--dry-run"]) == 0
    assert capsys.readouterr().out.strip() == machine.folder("cpu")


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Slurm's commands as we tell them to be; what they were asked is in a file."""
    pytest.importorskip("submitit")
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "LOOK_S", 0.01)
    monkeypatch.setattr(slurm, "ASK_S", 0.02)

    def write(**bodies):
        for name, body in bodies.items():
            file = folder / name
            file.write_text(f'#!/bin/sh\necho {name} "$@" >> {log}\n{body}\n')
            file.chmod(0o755)
        return log

    write(srun="", sbatch="echo Submitted batch job 7", scancel="", squeue="echo 7 RUNNING")
    return write


@pytest.fixture
def executor(commands, tmp_path):
    executor = SlurmExecutor(tmp_path / "slurm", slurm.parse("partition=main,gpus=1"))
    yield executor
    executor.shutdown()


def test_what_slurm_refuses_is_one_line(commands, executor):
    commands(sbatch="echo 'sbatch: error: invalid partition specified: main' >&2; exit 1")
    error = executor.submit(print).exception(timeout=20)
    assert isinstance(error, ValueError)
    assert str(error) == "Slurm takes no jobs: sbatch: error: invalid partition specified: main"


@pytest.mark.parametrize("says", ["echo 7 TIMEOUT", ""])
def test_a_job_that_ended_without_a_result_is_lost(says, commands, executor):
    commands(squeue=says)
    error = executor.submit(print).exception(timeout=20)
    assert isinstance(error, LostJobError)
    assert f"job 7 ended as {'TIMEOUT' if says else 'unknown'}; its output is " in str(error)


def test_what_nobody_waits_for_is_cancelled(commands, executor, tmp_path):
    future = executor.submit(print)
    while not executor.jobs:
        slurm.Event().wait(0.01)
    future.cancel()
    while executor.jobs:
        slurm.Event().wait(0.01)
    assert "scancel 7" in (tmp_path / "log").read_text()


def test_in_the_end_all_is_cancelled_and_gone(commands, executor, tmp_path):
    executor.submit(print)
    while not executor.jobs:
        slurm.Event().wait(0.01)
    executor.shutdown()
    assert "scancel 7" in (tmp_path / "log").read_text()
    assert not (tmp_path / "slurm").exists()


def test_a_job_says_what_it_needs(executor):
    while not executor.submit(print).cancel():
        pass
    text = executor.submitter._make_submission_file_text("command", "id")
    assert {"#SBATCH --gpus-per-node=1", "#SBATCH --partition=main", "#SBATCH --time=60"} <= {
        *text.splitlines()
    }
