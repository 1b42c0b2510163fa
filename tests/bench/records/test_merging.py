"""Errors of several machines pool; times are of one alone."""

import pytest
from made_records import make
from msgspec.structs import replace

from bench.cli import main
from bench.commands import _options
from bench.commands import publish as publish_command
from bench.core.config import Plugin
from bench.records.merging import explain_unpublishable
from bench.records.run_store import RunStore
from bench.reporting import aggregate

FACTS = {"python": "3.11", "torch": "2.13", "e3nn": "0.6", "commit": "c" * 40}


def fill(root, *records):
    store = RunStore(root)
    for record in records:
        store.write(record)
    return root


def merge(target, *sources):
    return main(["merge", *map(str, sources), "--into", str(target)])


def load(root):
    return {record.run.seed: record for record in RunStore(root).load()[0]}


@pytest.fixture
def here(tmp_path):
    return fill(tmp_path / "a" / "here", *[make("egnn", seed, 1.0, ms=2.0) for seed in (0, 1)])


@pytest.fixture
def there(tmp_path):
    return fill(tmp_path / "b" / "there", *[make("egnn", seed, 2.0, ms=9.0) for seed in (1, 2)])


def test_errors_pool_and_times_are_those_of_the_first(here, there, tmp_path, capsys):
    assert merge(tmp_path / "pool", here, there) == 0
    records = load(tmp_path / "pool")
    assert [records[seed].scores["mse_test"] for seed in range(3)] == [1.0, 1.0, 2.0]
    assert {seed for seed, record in records.items() if record.timings} == {0, 1}
    assert {seed: record.machine.name for seed, record in records.items()} == {
        0: "here",
        1: "here",
        2: "there",
    }
    shown = capsys.readouterr().out
    assert "3 added, 1 there before, times of here" in shown
    assert "differs, and the one that was there is kept: egnn-plain-" in shown


def test_a_pool_keeps_the_clock_that_it_has(here, there, tmp_path):
    pool = tmp_path / "pool"
    assert merge(pool, here) == merge(pool, there) == 0
    assert {seed for seed, record in load(pool).items() if record.timings} == {0, 1}


def test_a_machines_own_folder_has_its_own_clock(here, there):
    assert merge(there, here) == 0
    assert {seed for seed, record in load(there).items() if record.timings} == {1, 2}


def test_what_a_machine_timed_is_its_own_whoever_trained_it(here, there, tmp_path):
    """`elsewhere` sorts before `here` and `there`, and trained a seed that `there` timed."""
    seed = make("egnn", 3, 3.0, ms=9.0)
    fill(there, replace(seed, machine=replace(seed.machine, name="elsewhere")))
    assert merge(there, here) == merge(tmp_path / "pool", there) == 0
    for root in (there, tmp_path / "pool"):
        assert {seed for seed, record in load(root).items() if record.timings} == {1, 2, 3}


def test_a_row_is_as_fast_as_the_seed_that_was_timed(here, there, tmp_path):
    pool = tmp_path / "pool"
    assert merge(pool, there, here) == 0
    table = aggregate.summary(aggregate.frame(list(load(pool).values())))
    assert (table["seeds"][0], table["inference_ms"][0]) == (3, 9.0)


def test_merging_twice_changes_nothing(here, there, tmp_path):
    pool = tmp_path / "pool"
    merge(pool, here, there)
    before = {file: file.read_bytes() for file in pool.rglob("*.json")}
    merge(pool, here, there)
    assert {file: file.read_bytes() for file in pool.rglob("*.json")} == before


def test_a_finished_record_replaces_a_failure_and_never_the_other_way(here, tmp_path):
    lost = replace(make("egnn", 0, 1.0), status="failed", reason="x", scores={}, timings={})
    other = fill(tmp_path / "c" / "other", lost)
    assert merge(other, here) == merge(here, other) == 0
    assert load(other)[0].status == load(here)[0].status == "done"


@pytest.mark.parametrize("end", [".curve.csv", ".weights.safetensors", ".predictions.npz"])
def test_what_lies_beside_a_record_comes_along(end, here, tmp_path):
    record = load(here)[0]
    RunStore(here).path_of(record).with_suffix(end).write_bytes(b"\xff\r\n")
    merge(tmp_path / "pool", here)
    (copy,) = (tmp_path / "pool").rglob(f"*{end}")
    assert copy.read_bytes() == b"\xff\r\n"


def test_damaged_records_are_not_merged(here, tmp_path, capsys):
    next(here.rglob("*.json")).write_text("{")
    assert merge(tmp_path / "pool", here) == 2
    assert "nothing is merged of a folder with damaged records" in capsys.readouterr().err


def test_mistakes_are_one_line(here, tmp_path, capsys):
    assert merge(here, here) == 2
    assert "cannot be merged into itself" in capsys.readouterr().err
    assert merge(tmp_path / "pool", tmp_path) == 2
    assert "is no folder of a machine" in capsys.readouterr().err


def publish(root, target, *flags):
    return main(["publish", "--results", str(root.parent), "--to", str(target), *flags])


def test_evidence_is_published_with_its_tables(tmp_path, capsys):
    root = fill(
        tmp_path / "local" / "m",
        *[make(model, 0, 1.0, machine=FACTS) for model in ("egnn", "gnn")],
    )
    target = tmp_path / "public"
    assert publish(root, target, "--only", "model=egnn") == 0
    assert [file.name[:5] for file in target.rglob("*.json")] == ["egnn-"]
    assert (target / "m" / "tables" / "nbody_gravity.md").is_file()
    assert "1 added" in capsys.readouterr().out


def test_a_machine_without_such_runs_keeps_none_from_being_published(tmp_path, capsys):
    for model in ("egnn", "gnn"):
        root = fill(tmp_path / "local" / model, make(model, 0, 1.0, machine=FACTS))
    target = tmp_path / "public"
    assert publish(root, target, "--only", "model=gnn") == 0
    assert [folder.name for folder in target.iterdir()] == ["gnn"]
    assert publish(root, target, "--only", "model=painn") == 2
    assert "model is one of egnn, gnn" in capsys.readouterr().err


def test_the_folder_of_evidence_has_its_leaderboard_however_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_options, "PUBLISHED", tmp_path / "public")
    monkeypatch.setattr(publish_command, "LEADERBOARD", tmp_path / "leaderboard.md")
    root = fill(tmp_path / "local" / "m", make("egnn", 0, 1.0, machine=FACTS))
    assert publish(root, "public") == 0
    assert "egnn" in (tmp_path / "leaderboard.md").read_text()


def test_weights_are_not_published(tmp_path):
    record = make("egnn", 0, 1.0, machine=FACTS)
    root = fill(tmp_path / "local" / "m", record)
    for end in (".curve.csv", ".weights.safetensors", ".predictions.npz"):
        RunStore(root).path_of(record).with_suffix(end).write_text("x")
    assert publish(root, tmp_path / "public") == 0
    beside = [file.suffixes[-1] for file in (tmp_path / "public" / "m" / "runs").rglob("*.*")]
    assert sorted(beside) == [".csv", ".json"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"machine": FACTS | {"dirty": True}}, "made by code that no commit holds"),
        ({"machine": FACTS | {"commit": None}}, "its record does not say commit"),
        ({}, "does not say python, torch, e3nn, commit"),
    ],
)
def test_what_is_no_evidence_is_left_out(changes, why, tmp_path, capsys):
    root = fill(tmp_path / "local" / "m", make("egnn", 0, 1.0, **changes))
    assert publish(root, tmp_path / "public") == 3
    assert why in capsys.readouterr().out


def test_failures_and_files_of_somebodys_own_are_no_evidence():
    record = make("egnn", 0, 1.0, machine=FACTS)
    lost = replace(record, status="oom", reason="no memory")
    assert explain_unpublishable(lost) == "oom: no memory"
    run = record.run.__class__(**{**vars(record.run), "model": Plugin("mine.py")})
    assert explain_unpublishable(replace(record, run=run)) == "mine.py is no part of the suite"
