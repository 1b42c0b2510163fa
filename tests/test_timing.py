"""The clock: what it keeps, and what it says of quality."""

from itertools import count

import pytest

from bench import timing


def test_functions_are_sampled_in_turn(monkeypatch):
    calls = []
    monkeypatch.setattr(timing, "WARM_UP_S", 0.0)
    monkeypatch.setattr(timing, "SHORTEST_S", 0.0)
    monkeypatch.setattr(timing, "ceil", lambda _: 1)
    timing.measure({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=4)
    assert calls[-8:] == ["a", "b"] * 4


def test_a_slower_function_takes_longer():
    timings = timing.measure(
        {"one": lambda: sum(range(10_000)), "three": lambda: sum(range(30_000))}, rounds=15
    )
    assert 2 < timings["three"]["median_ms"] / timings["one"]["median_ms"] < 4


def test_samples_come_from_the_clock_of_the_device():
    timings = timing.measure({"a": lambda: None}, rounds=5, clock=lambda function, calls: 0.25)
    assert timings["a"]["samples_ms"] == [250.0] * 5


@pytest.mark.parametrize(
    ("samples", "mark"),
    [
        ([1.0, 1.01, 1.02, 1.0, 1.01], "A"),
        ([1.0, 1.1, 1.15, 1.2, 1.1], "B"),
        ([1.0, 1.5, 2.0, 1.0, 3.0], "C"),
        ([1.0, 1.6, 1.6, 1.6, 1.6], "C"),
    ],
)
def test_the_spread_decides_the_quality(samples, mark):
    assert timing.summary(samples)["quality"] == mark


def test_a_disturbed_session_is_repeated(monkeypatch):
    sessions = count()
    monkeypatch.setattr(timing, "quality", lambda *_: "C" if next(sessions) == 0 else "A")
    timings = timing.measure({"a": lambda: None}, rounds=5)
    assert timings["a"]["quality"] == "A"
    assert next(sessions) == 2
