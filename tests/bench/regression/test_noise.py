"""The noise floor of a machine, and how many rounds it calls for."""

import pytest

from bench.cli import main
from bench.regression.noise import CASES, calibrate, estimate_noise, read_noise
from bench.regression.report import Verdict
from bench.regression.revisions import RevisionComparison
from bench.regression.verdicts import Comparison


def comparisons(*ratios, width=0.05):
    return [Comparison(r, r * (1 - width), r * (1 + width), 30, 0.5, "same") for r in ratios]


def test_the_floor_is_what_the_intervals_of_identical_code_do_not_cover():
    assert estimate_noise(comparisons(1.01, 0.96, 1.2, width=0.05))["floor"] == 0.14


def test_intervals_around_one_leave_no_floor():
    assert estimate_noise(comparisons(1.01, 0.98, width=0.05))["floor"] == 0.0


def test_wider_intervals_call_for_more_rounds():
    narrow, wide = (estimate_noise(comparisons(1.0, width=w))["rounds"] for w in (0.05, 0.08))
    assert narrow < wide


def test_a_machine_without_a_floor_is_told(tmp_path):
    noise, notes = read_noise(tmp_path)
    assert noise["floor"] == 0.0
    assert "calibrate" in notes[0]


def test_a_cell_that_cannot_be_timed_ends_the_calibration(tmp_path, monkeypatch):
    lost = Verdict("cell", "counters", "incomparable", why="no memory")
    monkeypatch.setattr(RevisionComparison, "measure", lambda *_, **__: ({}, lost))
    with pytest.raises(ValueError, match="cannot be timed here: no memory"):
        calibrate(tmp_path, "cpu", 60.0)


@pytest.mark.parametrize(
    "floor", ["-0.1", "NaN", "Infinity", '"0.1"', "[0.1]", "true", "false", "null", "{}", "9" * 400]
)
def test_a_floor_that_is_no_number_is_refused_by_name(floor, tmp_path):
    (tmp_path / "noise.json").write_text(f'{{"floor": {floor}, "date": "today"}}')
    with pytest.raises(ValueError, match=r"noise\.json: the noise floor is .*calibrate"):
        read_noise(tmp_path)


@pytest.mark.parametrize("rounds", ["0", "-3", "2.5", "true", '"20"', "null"])
def test_rounds_that_are_no_number_are_refused_by_name(rounds, tmp_path):
    (tmp_path / "noise.json").write_text(f'{{"floor": 0.1, "rounds": {rounds}}}')
    with pytest.raises(ValueError, match=r"noise\.json: the rounds are .*calibrate"):
        read_noise(tmp_path)


@pytest.mark.parametrize("text", ["{", "[0.1]", "[" * 100_000, "0.1", ""])
def test_a_file_that_holds_no_floor_is_refused_by_name(text, tmp_path):
    (tmp_path / "noise.json").write_text(text)
    with pytest.raises(ValueError, match=r"noise\.json (is not JSON|holds no noise floor)"):
        read_noise(tmp_path)


def test_a_damaged_floor_is_one_line_and_exit_code_2(tmp_path, capsys):
    (tmp_path / "noise.json").write_text('{"floor": true}')
    (tmp_path / "speed").mkdir()
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 2
    assert "noise floor is true" in capsys.readouterr().err


def test_calibrate_says_what_the_floor_is(tmp_path, capsys, monkeypatch):
    quiet = {"inference": comparisons(1.028)[0], "train_step": comparisons(0.985)[0]}
    monkeypatch.setattr(RevisionComparison, "measure", lambda *_, **__: (quiet, None))
    assert main(["calibrate", "--budget", "0s", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "noise floor 0.0%" in said
    assert "ratios from 0.985 to 1.028, the most that the interval of one did not cover" in said


def test_calibrate_tells_each_case_on_stderr(tmp_path, capsys, monkeypatch):
    quiet = {"inference": comparisons(1.0)[0]}
    monkeypatch.setattr(RevisionComparison, "measure", lambda *_, **__: (quiet, None))
    main(["calibrate", "--budget", "0s", "--results", str(tmp_path)])
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == [str(case) for case in CASES]


def test_a_floor_that_is_none_counts_as_not_measured(tmp_path):
    (tmp_path / "noise.json").write_text("{}")
    assert read_noise(tmp_path)[0]["floor"] == 0.0
