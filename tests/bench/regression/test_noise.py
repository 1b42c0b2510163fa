"""The noise floor of a machine, and how many rounds it calls for."""

import pytest

from bench.regression.noise import calibrate, estimate_noise, read_noise
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


def test_a_floor_that_is_none_counts_as_not_measured(tmp_path):
    (tmp_path / "noise.json").write_text("{}")
    assert read_noise(tmp_path)[0]["floor"] == 0.0
