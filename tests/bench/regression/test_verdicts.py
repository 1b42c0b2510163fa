"""The verdicts on synthetic noise: few false ones, and true changes found."""

from math import comb

import pytest
import torch

from bench.regression import verdicts as regression_verdicts

ROUNDS = 40


def noise(generator, rounds=ROUNDS, sigma=0.05):
    """Samples around 1 ms with heavy tails, on a machine that slows down by half."""
    spread = torch.exp(sigma * torch.randn(rounds, generator=generator))
    struck = torch.rand(rounds, generator=generator) < 0.1
    blows = 1 + struck * torch.empty(rounds).exponential_(2.0, generator=generator)
    return (spread * blows * torch.linspace(1, 1.5, rounds)).tolist()


def verdicts(generator, factor, trials, **options):
    return [
        regression_verdicts.change(
            noise(generator, **options), [factor * x for x in noise(generator, **options)], 0.0
        ).verdict
        for _ in range(trials)
    ]


def test_identical_code_does_not_regress(generator):
    assert verdicts(generator, 1.0, 500).count("regressed") <= 1


def test_a_change_at_the_margin_is_rarely_called_one(generator):
    assert verdicts(generator, 1.05, 500).count("regressed") <= 5


def test_a_slowdown_of_a_third_is_found(generator):
    assert verdicts(generator, 1.3, 100).count("regressed") >= 95


def test_a_speed_up_of_a_third_is_found(generator):
    assert verdicts(generator, 1 / 1.3, 100).count("improved") >= 95


def test_quiet_identical_code_is_the_same(generator):
    assert verdicts(generator, 1.0, 100, sigma=0.01).count("same") >= 95


def test_a_change_within_the_noise_floor_is_none(generator):
    base = noise(generator, sigma=0.01)
    assert regression_verdicts.change(base, [1.2 * x for x in base], 0.25).verdict == "same"


def test_few_pairs_say_nothing():
    assert regression_verdicts.change([1.0] * 5, [2.0] * 5, 0.0).verdict == "inconclusive"


def test_the_ratio_is_new_over_base():
    assert regression_verdicts.change([1.0] * 20, [2.0] * 20, 0.0).ratio == pytest.approx(2.0)


def test_a_change_has_to_stand_among_all_cells(generator):
    quiet = {
        str(i): regression_verdicts.change(noise(generator), noise(generator), 0.0)
        for i in range(99)
    }
    weak = regression_verdicts.Change(1.2, 1.06, 1.3, 12, 0.003, "regressed")
    assert regression_verdicts.among({"weak": weak})["weak"] == "regressed"
    assert regression_verdicts.among({**quiet, "weak": weak})["weak"] == "inconclusive"


@pytest.mark.parametrize("slower", range(13))
def test_the_chance_is_that_of_a_fair_coin(slower):
    new = [1.2] * slower + [1.0] * (12 - slower)
    beyond = slower if slower >= 6 else 0  # those on the side of the median
    tail = sum(comb(12, k) for k in range(beyond, 13)) / 2**12
    found = regression_verdicts.change([1.0] * 12, new, 0.0)
    assert found.chance == pytest.approx(tail, abs=1e-12)


def step_up(chances, share):
    """Benjamini and Hochberg: all up to the last rank whose chance is within its share."""
    ranked = sorted(chances)
    passed = [p for i, p in enumerate(ranked) if p <= share * (i + 1) / len(ranked)]
    return [p <= max(passed, default=-1.0) for p in chances]


@pytest.mark.parametrize("count", [0, 1, 2, 10, 700])
def test_false_discoveries_are_those_of_the_step_up_procedure(count, generator):
    chances = (torch.rand(count, generator=generator) ** 4).tolist()
    changes = {
        str(i): regression_verdicts.Change(1.2, 1.1, 1.3, 30, p, "regressed")
        for i, p in enumerate(chances)
    }
    found = regression_verdicts.among(changes).values()
    assert [v == "regressed" for v in found] == step_up(chances, regression_verdicts.DISCOVERIES)


def test_any_growth_of_a_counter_counts():
    assert regression_verdicts.grown({"ops": 100, "bytes": 5}, {"ops": 101, "bytes": 5}) == {
        "ops": (100, 101)
    }


def looks(*verdicts):
    """A look at each of so many further changes of one cell, in turn."""
    given = iter(
        regression_verdicts.Change(1.3, 1.2, 1.4, 30, 1e-6, verdict) for verdict in verdicts
    )
    return lambda moved: {name: next(given) for name in moved}


SLOWER = {"cell": regression_verdicts.Change(1.3, 1.2, 1.4, 30, 1e-6, "regressed")}


def test_a_change_that_every_look_finds_stays():
    look = looks("regressed", "regressed")
    assert regression_verdicts.confirmed(SLOWER, look)["cell"].verdict == "regressed"


@pytest.mark.parametrize("told", [("same",), ("regressed", "improved")], ids=["2nd", "3rd"])
def test_a_change_that_a_later_look_denies_is_inconclusive(told):
    assert regression_verdicts.confirmed(SLOWER, looks(*told))["cell"].verdict == "inconclusive"


def test_what_has_not_changed_is_not_looked_at_again():
    still = {"cell": regression_verdicts.Change(1.0, 0.99, 1.01, 30, 0.5, "same")}
    assert regression_verdicts.confirmed(still, looks()) == still
