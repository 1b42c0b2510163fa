"""The clock: what it keeps, and what it says of quality."""

from fractions import Fraction
from itertools import count
from math import comb

import pytest
import torch

from bench.system import clock
from bench.timing import samples


def test_functions_are_sampled_in_turn(monkeypatch):
    calls = []
    monkeypatch.setattr(samples, "WARM_UP_S", 0.0)
    monkeypatch.setattr(samples, "SHORTEST_S", 0.0)
    monkeypatch.setattr(samples, "ceil", lambda _: 1)
    samples.measure_functions(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=4
    )
    assert calls[-8:] == ["a", "b"] * 4


def test_a_slower_function_takes_longer():
    timings = samples.measure_functions(
        {"one": lambda: sum(range(10_000)), "three": lambda: sum(range(30_000))}, rounds=15
    )
    assert 2 < timings["three"].best_ms / timings["one"].best_ms < 4


def test_samples_come_from_the_clock_of_the_device():
    timings = samples.measure_functions(
        {"a": lambda: None}, rounds=5, clock=lambda function, calls: 0.25
    )
    assert timings["a"].samples_ms == [250.0] * 5


@pytest.mark.parametrize(
    ("samples_ms", "mark"),
    [
        ([1.0, 1.01, 1.02, 1.0, 1.01], "A"),
        ([1.0, 1.1, 1.15, 1.2, 1.1], "B"),
        ([1.0, 1.5, 2.0, 1.0, 3.0], "C"),
        ([1.0, 1.6, 1.6, 1.6, 1.6], "C"),
    ],
)
def test_the_spread_decides_the_quality(samples_ms, mark):
    assert samples.summarise(samples_ms).quality == mark


def test_a_disturbed_session_is_repeated(monkeypatch):
    sessions = count()
    monkeypatch.setattr(samples, "grade", lambda *_: ("C" if next(sessions) == 0 else "A", ""))
    timings = samples.measure_functions({"a": lambda: None}, rounds=5)
    assert timings["a"].quality == "A"
    assert next(sessions) == 2


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        ({"samples_ms": [1.0] * 5 + [1.03] * 5}, "drift 3%"),
        ({"samples_ms": [1.0] * 10, "lag": 0.1}, "lag 10%"),
        ({"samples_ms": [1.0] * 10, "clock": 0.03}, "clock 3%"),
        ({"samples_ms": [1.0] * 10, "throttled": "power brake"}, "throttled: power brake"),
        ({"samples_ms": [1.0] * 10}, ""),
    ],
)
def test_the_mark_has_its_reason(measured, reason):
    assert samples.summarise(**measured).reason == reason


def test_a_throttled_timing_is_of_no_use():
    assert samples.summarise([1.0] * 10, throttled="power brake").quality == "C"


def test_the_interval_of_the_median_is_that_of_endless_resampling(generator):
    drawn = torch.rand(25, generator=generator, dtype=torch.float64)
    draws = torch.randint(25, (200_000, 25), generator=generator)
    resampled = drawn[draws].median(1).values.sort().values
    interval = samples.interval(drawn.tolist())
    assert [float(resampled[1000]), float(resampled[-1000])] == interval


def below(n, k):
    """The exact probability that the median of n draws from n is one of the k smallest."""
    p = Fraction(k, n)
    return sum(comb(n, j) * p**j * (1 - p) ** (n - j) for j in range((n + 1) // 2, n + 1))


@pytest.mark.parametrize("n", [2, 3, 10, 15, 28, 40, 60, 120])
def test_the_interval_leaves_half_a_per_cent_on_either_side(n):
    low, high = samples.interval([float(i) for i in range(n)])
    assert below(n, int(low)) <= Fraction(1, 200) < below(n, int(low) + 1)
    assert high == n - 1 - low


def test_the_interval_covers_the_true_median(generator):
    drawn = torch.randn(400, 31, generator=generator, dtype=torch.float64)
    intervals = [samples.interval(row.tolist()) for row in drawn]
    assert sum(low <= 0 <= high for low, high in intervals) >= 390


def test_a_process_that_sleeps_is_off_the_processor():
    off_cpu = clock.OffCpu()
    clock.time.sleep(0.05)
    assert off_cpu.share() > 0.5
