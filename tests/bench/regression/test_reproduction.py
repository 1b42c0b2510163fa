"""What a run that is run again says of its record."""

import pytest
from made_records import make
from msgspec.structs import replace

from bench.cli import main
from bench.core.config import Plugin
from bench.records.run_store import RunStore
from bench.regression.reproduction import OUTSIDE, REPRODUCED, UNKNOWN, judge

ROW = [make("gnn", seed, 1e-3 * (1 + 0.02 * seed)) for seed in range(5)]
OLD = ROW[0]


def again(factor):
    return make("gnn", 0, factor * OLD.scores["mse_test"])


def test_equal_scores_are_reproduced_to_the_bit():
    reproduction = judge(OLD, again(1.0), ROW)
    assert (reproduction.verdict, reproduction.why) == (REPRODUCED, "to the bit")


@pytest.mark.parametrize(
    ("factor", "verdict", "word"),
    [(1.01, REPRODUCED, "within"), (1.5, OUTSIDE, "worse"), (0.5, OUTSIDE, "better")],
)
def test_what_two_seeds_differ_by_is_reproduced_and_more_is_not(factor, verdict, word):
    reproduction = judge(OLD, again(factor), ROW)
    assert reproduction.verdict == verdict
    assert reproduction.why.startswith(word)


def test_one_seed_alone_cannot_tell():
    assert judge(OLD, again(1.01), [OLD]).verdict == UNKNOWN


def test_another_stack_is_named():
    new = again(1.01)
    new = replace(new, machine=replace(new.machine, torch="9"))
    assert "another stack, torch  / 9" in judge(OLD, new, ROW).why


def ended(status, reason):
    return replace(OLD, status=status, reason=reason, scores={})


def test_a_run_that_diverges_now_is_outside():
    reproduction = judge(OLD, ended("diverged", "loss nan"), ROW)
    assert reproduction.verdict == OUTSIDE
    assert reproduction.why == "it was done, and is diverged: loss nan"


@pytest.mark.parametrize("status", ["oom", "failed", "timeout"])
def test_of_what_may_be_this_machine_nothing_is_told(status):
    lost = ended(status, "no network")
    assert judge(OLD, lost, ROW).why == f"it was done, and is {status}: no network"
    for other in (OLD, ended(status, "singular matrix")):
        assert judge(other, lost, ROW).verdict == judge(lost, other, ROW).verdict == UNKNOWN
    assert judge(lost, lost, ROW).why == f"it ends as {status}"


def written(record, tmp_path):
    return str(RunStore(tmp_path / "machine").write(record))


def test_a_record_has_no_code_loaded_that_nobody_named(tmp_path, capsys):
    bomb = tmp_path / "bomb.py"
    bomb.write_text("raise SystemExit('loaded')\n\ndef build(signature): ...\n")
    record = replace(OLD, run=make("gnn", 0, 1.0).run)
    run = record.run.__class__(**{**vars(record.run), "model": Plugin(str(bomb))})
    file = written(replace(record, run=run), tmp_path)
    assert main(["verify", file]) == 3
    assert "cannot tell here: bomb" in capsys.readouterr().out


def test_a_record_whose_plugin_is_gone_leaves_the_others(tmp_path, capsys):
    run = OLD.run.__class__(**{**vars(OLD.run), "model": Plugin("gone")})
    files = [written(replace(OLD, run=run), tmp_path), written(replace(OLD, key="0" * 8), tmp_path)]
    assert main(["verify", *files]) == 3
    assert "no model 'gone'" in (shown := capsys.readouterr().out)
    assert shown.count("cannot tell here: ") == 2


def test_another_version_cannot_be_told(tmp_path, capsys):
    assert main(["verify", written(replace(OLD, key="0" * 8), tmp_path)]) == 3
    assert "its plug-ins have another VERSION today" in capsys.readouterr().out


@pytest.mark.system
def test_a_run_comes_out_again(tmp_path, capsys):
    task = "nbody_gravity:train=8,val=4,test=4,ood=4"
    flags = ["--methods", "plain", "--steps", "2", "--seeds", "1", "--set", "batch_size=4"]
    run = ["run", "--task", task, "--models", "drift", *flags, "samples=2", "elements=2"]
    assert main([*run, "--no-timing", "--jobs", "1", "--results", str(tmp_path)]) == 0
    (file,) = tmp_path.glob("*/runs/*/*.json")
    assert main(["verify", str(file)]) == 0
    assert f"reproduced: {file.name}: to the bit" in capsys.readouterr().out


def test_a_score_that_is_new_since_changes_nothing():
    more = again(1.0)
    more = replace(more, scores={**more.scores, "squared_error_median_test": 1e-4})
    assert judge(OLD, more, ROW).why == "to the bit"
    assert judge(more, OLD, ROW).why != "to the bit"
