"""Which runs: shards, conditions, seeds and other values."""

from dataclasses import replace

import pytest

from bench import Plugin, Run
from bench.core.keys import run_key
from bench.training import selection

TASK = Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8})
RUN = Run(TASK, Plugin("drift"), Plugin("remul", {"beta": 2.0}), steps=4)


def test_shards_are_a_partition():
    runs = [replace(RUN, seed=seed) for seed in range(7)]
    parts = [selection.shard(runs, f"{i}/3") for i in (1, 2, 3)]
    assert sorted(run.seed for part in parts for run in part) == list(range(7))


def test_slurm_says_which_shard(monkeypatch):
    for name, value in (("ID", "5"), ("MIN", "2"), ("STEP", "3"), ("COUNT", "4")):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    runs = [replace(RUN, seed=seed) for seed in range(8)]
    assert [run.seed for run in selection.shard(runs, None)] == [1, 5]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STEP", "0"),
        ("STEP", "two"),
        ("COUNT", ""),
        ("ID", ""),
        ("MIN", "²"),
        ("ID", "9"),
        ("ID", "3"),
    ],
)
def test_a_variable_of_slurm_that_makes_no_sense_is_named(name, value, monkeypatch):
    given = {"ID": "4", "MIN": "2", "STEP": "2", "COUNT": "3"} | {name: value}
    for variable, text in given.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{variable}", text)
    with pytest.raises(ValueError, match=f"SLURM_ARRAY_TASK_{name}"):
        selection.shard([RUN], None)


def test_without_an_array_all_runs_are_ours(monkeypatch):
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    assert selection.shard([RUN], None) == [RUN]


def sweep_of(folder, method):
    file = folder / "sweep.py"
    run = f"Run(Plugin('nbody_gravity'), Plugin('drift'), {method})"
    file.write_text(f"from bench import Plugin, Run\ndef runs(): yield {run}\n")
    return str(file)


def test_a_sweep_and_the_command_line_have_one_key(tmp_path):
    (listed,) = selection.load_sweep(sweep_of(tmp_path, "Plugin('remul', {'beta': 10})"))
    (paired, *_) = selection.pair_plugins("nbody_gravity", ["drift"], ["remul:10"])
    assert run_key(listed) == run_key(paired)


def test_an_option_that_a_sweep_misspells_is_named(tmp_path):
    with pytest.raises(ValueError, match="method 'remul' has no option 'betta'; there are beta"):
        selection.load_sweep(sweep_of(tmp_path, "Plugin('remul', {'betta': 10})"))


def test_only_matches_options_of_the_method():
    runs = [RUN, replace(RUN, method=Plugin("plain"))]
    assert selection.select(runs, ["method.beta=2*"]) == [RUN]


@pytest.mark.parametrize("condition", ["method.beta=2", "lr=3e-4", "steps=4.0", "model=mine"])
def test_only_compares_numbers_as_such_and_paths_by_name(condition):
    run = replace(RUN, model=Plugin("/anywhere/mine.py"))
    other = replace(run, model=Plugin("/mine/other.py"), method=Plugin("plain"), lr=1.0, steps=5)
    assert selection.select([other, run], [condition]) == [run]


def test_values_of_all_runs_can_be_set():
    (changed,) = selection.replace_values([RUN], ["lr=1e-2", "decay=cosine"])
    assert changed == replace(RUN, lr=1e-2, decay="cosine")


def test_seeds_override_those_of_the_sweep():
    runs = selection.override([RUN, replace(RUN, seed=7)], seeds=3, steps=9)
    assert [(run.seed, run.steps) for run in runs] == [(0, 9), (1, 9), (2, 9)]


def test_an_unknown_way_to_symmetrise_is_refused():
    with pytest.raises(ValueError, match="symmetrise has to be one of none, frame_average"):
        replace(RUN, symmetrise="average")


def test_equal_runs_are_one():
    other = replace(RUN, steps=9)
    assert selection.distinct([RUN, other, replace(RUN)]) == [RUN, other]
