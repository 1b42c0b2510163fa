"""The noise floor, and the sizes that models are matched to."""

import pytest

from bench import calibrate, sizes
from bench.counters import parameters
from bench.gate import Change
from bench.plugins import load
from bench.tasks.bodies import SIGNATURE


def changes(*ratios, width=0.05):
    return [Change(r, r * (1 - width), r * (1 + width), 30, 0.5, "same") for r in ratios]


def test_the_floor_is_what_the_intervals_of_identical_code_do_not_cover():
    assert calibrate.of_changes(changes(1.01, 0.96, 1.2, width=0.05))["floor"] == 0.14


def test_intervals_around_one_leave_no_floor():
    assert calibrate.of_changes(changes(1.01, 0.98, width=0.05))["floor"] == 0.0


def test_wider_intervals_call_for_more_rounds():
    narrow, wide = (calibrate.of_changes(changes(1.0, width=w))["rounds"] for w in (0.05, 0.08))
    assert narrow < wide


def test_a_machine_without_a_floor_is_told(tmp_path):
    noise, notes = calibrate.noise_of(tmp_path)
    assert noise["floor"] == 0.0
    assert "calibrate" in notes[0]


@pytest.mark.parametrize("model", ["transformer", "egnn"])
def test_a_matched_model_has_the_parameters(model):
    plugin = sizes.sized(model, "100000")
    built = load("models", model).build(SIGNATURE, **plugin.kwargs)
    assert parameters(built) == pytest.approx(100_000, rel=0.05)


def test_a_size_that_no_width_has_is_refused():
    with pytest.raises(ValueError, match="no width of transformer has 10 parameters"):
        sizes.sized("transformer", "10")


def test_a_size_that_is_none_is_refused():
    with pytest.raises(ValueError, match="default, paper or a number"):
        sizes.sized("transformer", "huge")
