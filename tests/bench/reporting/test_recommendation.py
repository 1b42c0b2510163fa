"""What to use within limits, and what to run where nothing is known."""

import re

import pytest
from made_records import make, make_rows
from msgspec.structs import replace

from bench.cli import main
from bench.core.cases import SpeedCase
from bench.core.config import Plugin
from bench.records.run_store import RunStore
from bench.records.speed_record import blank_record
from bench.records.speed_store import SpeedStore

ROWS = {
    "egnn": {"error": 1e-3, "ms": 6.0},
    "painn": {"error": 1e-3, "ms": 4.0},
    "gnn__augment": {"error": 3e-3, "ms": 2.0},
    "mlp": {"error": 9e-3, "ms": 1.0},
}


@pytest.fixture
def ask(tmp_path, capsys):
    """Asks about records in a store; returns the exit code and the lines."""

    def ask(records, *flags):
        store = RunStore(tmp_path / "machine")
        for record in records:
            store.write(record)
        code = main(["recommend", "nbody_gravity", "--results", str(tmp_path), *flags])
        return code, capsys.readouterr().out.splitlines()

    return ask


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ([], "painn"),
        (["--max-ms", "3"], "gnn with augment"),
        (["--max-ms", "1.5"], "mlp with plain"),
        (["--max-error", "2e-3", "--max-ms", "5"], "painn"),
    ],
)
def test_the_fastest_of_the_most_accurate_within_the_limits_is_chosen(flags, name, ask):
    code, lines = ask(make_rows(5, **ROWS), *flags)
    assert code == 0
    assert lines[1].startswith(f"use {name}: MSE x 1e3 ")


def test_the_rest_of_the_front_is_shown(ask):
    _, lines = ask(make_rows(5, **ROWS))
    front = lines[lines.index("also on the front of error, time and E':") + 1 :]
    assert [line.split()[0] for line in front if line][-2:] == ["gnn", "mlp"]


def test_nothing_within_the_limits_has_the_nearest_and_exit_code_3(ask):
    code, lines = ask(make_rows(5, **ROWS), "--max-ms", "0.5")
    assert code == 3
    assert lines[1] == "nothing here is within the limits"
    assert lines[2].endswith(" ms")


def test_a_number_that_is_not_known_is_within_no_limit(ask):
    code, lines = ask(make_rows(5, **ROWS), "--max-memory", "100")
    assert code == 3
    assert "MB not known" in lines[2]
    assert lines[-2].startswith("to know, 5 seeds: python -m bench run --task ")


def test_a_disturbed_time_is_within_no_limit(ask):
    code, lines = ask(make_rows(5, egnn={"error": 1.0, "quality": "C"}), "--max-ms", "100")
    assert (code, lines[2].split()[-3:]) == (3, ["ms", "not", "known"])


def test_failures_alone_are_said(ask):
    lost = [replace(r, status="failed", reason="x", scores={}) for r in make_rows(2, egnn=1.0)]
    code, lines = ask(lost)
    assert (code, lines[1][:27]) == (3, "nothing of it has finished;")


def test_a_trivial_predictor_alone_is_said(ask):
    code, lines = ask(make_rows(2, drift=1.0))
    assert code == 3
    assert lines[1].startswith("nothing but drift, trivial or without an error, of it has finished")


@pytest.mark.parametrize(("quality", "timed"), [("C", True), ("A", False)])
def test_nothing_is_the_fastest_without_an_undisturbed_time(quality, timed, ask):
    rows = {name: {"error": 1e-3, "quality": quality} for name in ("egnn", "painn")}
    records = make_rows(5, **rows)
    _, lines = ask(records if timed else [replace(record, timings={}) for record in records])
    assert (" C ms, " in lines[1]) == timed
    assert "– ms" not in lines[1]
    assert lines[2].endswith("which it is; no undisturbed time of theirs is known")


def test_records_of_times_alone_tell_what_to_run(tmp_path, capsys):
    SpeedStore(tmp_path / "machine").write(blank_record(SpeedCase(Plugin("egnn"))))
    assert main(["recommend", "nbody_gravity", "--results", str(tmp_path)]) == 3
    assert capsys.readouterr().out.startswith("nothing is known of nbody_gravity; to know: ")


def test_few_seeds_are_said(ask):
    _, lines = ask(make_rows(3, **ROWS))
    assert "3 seeds: a hint, no result" in lines[1]
    assert lines[3].startswith("to be sure, 5 seeds: ")


def test_to_be_sure_is_of_the_choice_and_of_the_most_accurate_row(ask):
    equal = {
        name: {"error": 1e-3, "ms": 1.0 + i} for i, name in enumerate(("egnn", "tfn", "painn"))
    }
    _, lines = ask([*make_rows(3, spread=0.5, **equal), *make_rows(5, evfn=9e-3)])
    (models,) = re.findall("--models (.*?) --methods", lines[3])
    assert "egnn" in models.split()
    assert len(models.split()) <= 2


@pytest.mark.parametrize("written", ["nbody_gravity:val=500", "nbody_gravity(val=500)"])
def test_a_task_is_taken_as_run_takes_it(ask, tmp_path, capsys, written):
    ask(make_rows(5, **ROWS))
    assert main(["recommend", written, "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("nbody_gravity(val=500), ")


@pytest.fixture
def own_task(tmp_path):
    """A task file that has records."""
    file = tmp_path / "my_task.py"
    file.write_text("def load(seed, val=500): ...\n")
    RunStore(tmp_path / "machine").write(make("egnn", 0, 1.0, task=Plugin(str(file))))
    return file


@pytest.mark.parametrize("command", ["recommend", "table"])
def test_a_task_may_be_given_by_its_file(command, own_task, capsys):
    flag = ["--task"] if command == "table" else []
    results = ["--results", str(own_task.parent)]
    assert main([command, *flag, str(own_task), *results]) == 0
    assert capsys.readouterr().out.startswith("my_task")


@pytest.mark.parametrize("written", ["my_task", "{}"])
def test_what_to_run_of_a_task_file_is_its_file(written, own_task, capsys):
    task = written.format(own_task)
    results = ["--results", str(own_task.parent)]
    assert main(["recommend", task, "--device", "cuda", *results]) == 3
    said = capsys.readouterr().out
    assert said.startswith(f"nothing is known of {task} there; to know: python -m bench run ")
    assert f" --task {own_task} --models " in said


def test_what_to_run_of_a_new_task_file_is_its_file(own_task, capsys):
    fresh = own_task.rename(own_task.with_name("fresh.py"))
    assert main(["recommend", str(fresh), "--results", str(own_task.parent)]) == 3
    said = capsys.readouterr().out
    assert said.startswith(f"nothing is known of {fresh}, only of my_task; ")
    assert f" --task {fresh} --models " in said


def test_another_device_is_not_known(ask):
    code, lines = ask([make("egnn", 0, 1.0)], "--device", "cuda")
    assert code == 3
    assert lines[0].endswith("--methods plain remul:10 --seeds 5 --device cuda")


def test_a_task_that_there_is_not_is_one_line(tmp_path, capsys):
    RunStore(tmp_path / "machine").write(make("egnn", 0, 1.0))
    assert main(["recommend", "nbody_gravty", "--results", str(tmp_path)]) == 2
    assert "did you mean 'nbody_gravity'?" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "nan", "inf", "-1", "much"])
def test_a_limit_that_is_none_is_one_line(limit, capsys):
    assert main(["recommend", "nbody_gravity", f"--max-ms={limit}"]) == 2
    assert f"'{limit}' is no limit; write a number above 0" in capsys.readouterr().err
