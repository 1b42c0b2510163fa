"""The verdicts on synthetic noise: few false ones, and true changes found."""

from math import comb

import pytest
import torch

from bench.regression.verdicts import (
    FALSE_DISCOVERY_RATE,
    Comparison,
    compare_samples,
    confirm,
    control_false_discoveries,
    find_growth,
)

ROUNDS = 40


def noise(generator, rounds=ROUNDS, sigma=0.05):
    """Samples around 1 ms with heavy tails, on a machine that slows down by half."""
    spread = torch.exp(sigma * torch.randn(rounds, generator=generator))
    struck = torch.rand(rounds, generator=generator) < 0.1
    blows = 1 + struck * torch.empty(rounds).exponential_(2.0, generator=generator)
    return (spread * blows * torch.linspace(1, 1.5, rounds)).tolist()


def verdicts(generator, factor, trials, **options):
    return [
        compare_samples(
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
    assert compare_samples(base, [1.2 * x for x in base], 0.25).verdict == "same"


def test_few_pairs_say_nothing():
    assert compare_samples([1.0] * 5, [2.0] * 5, 0.0).verdict == "inconclusive"


def test_the_ratio_is_new_over_base():
    assert compare_samples([1.0] * 20, [2.0] * 20, 0.0).ratio == pytest.approx(2.0)


def test_a_change_has_to_stand_among_all_cells(generator):
    quiet = {str(i): compare_samples(noise(generator), noise(generator), 0.0) for i in range(99)}
    weak = Comparison(1.2, 1.06, 1.3, 12, 0.003, "regressed")
    assert control_false_discoveries({"weak": weak})["weak"].verdict == "regressed"
    assert control_false_discoveries({**quiet, "weak": weak})["weak"].verdict == "inconclusive"


@pytest.mark.parametrize("slower", range(13))
def test_the_p_value_is_that_of_a_fair_coin(slower):
    new = [1.2] * slower + [1.0] * (12 - slower)
    beyond = slower if slower >= 6 else 0  # those on the side of the median
    tail = sum(comb(12, k) for k in range(beyond, 13)) / 2**12
    comparison = compare_samples([1.0] * 12, new, 0.0)
    assert comparison.p_value == pytest.approx(tail, abs=1e-12)


def step_up(p_values, share):
    """Benjamini and Hochberg: all up to the last rank whose p-value is within its share."""
    ranked = sorted(p_values)
    passed = [p for i, p in enumerate(ranked) if p <= share * (i + 1) / len(ranked)]
    return [p <= max(passed, default=-1.0) for p in p_values]


@pytest.mark.parametrize("count", [0, 1, 2, 10, 700])
def test_false_discoveries_are_those_of_the_step_up_procedure(count, generator):
    p_values = (torch.rand(count, generator=generator) ** 4).tolist()
    comparisons = {
        str(i): Comparison(1.2, 1.1, 1.3, 30, p, "regressed") for i, p in enumerate(p_values)
    }
    verdicts = [c.verdict for c in control_false_discoveries(comparisons).values()]
    assert [v == "regressed" for v in verdicts] == step_up(p_values, FALSE_DISCOVERY_RATE)


def test_any_growth_of_a_counter_counts():
    assert find_growth({"ops": 100, "bytes": 5}, {"ops": 101, "bytes": 5}) == {"ops": (100, 101)}


def looks(*verdicts):
    """Measures one case again, with one verdict after the other."""
    given = iter(Comparison(1.3, 1.2, 1.4, 30, 1e-6, verdict) for verdict in verdicts)
    return lambda moved: {name: next(given) for name in moved}


SLOWER = {"cell": Comparison(1.3, 1.2, 1.4, 30, 1e-6, "regressed")}


def test_a_change_that_every_look_finds_stays():
    look = looks("regressed", "regressed")
    assert confirm(SLOWER, look)["cell"].verdict == "regressed"


@pytest.mark.parametrize("later", [("same",), ("regressed", "improved")], ids=["2nd", "3rd"])
def test_a_change_that_a_later_look_denies_is_inconclusive(later):
    assert confirm(SLOWER, looks(*later))["cell"].verdict == "inconclusive"


def look(ratio, verdict, why=""):
    return Comparison(ratio, ratio - 0.1, ratio + 0.1, 30, 1e-6, verdict, why)


@pytest.mark.parametrize(
    ("later", "why"),
    [
        ([look(1.26, "regressed"), look(1.01, "same")], "looks: 1.24, 1.26, 1.01"),
        ([look(1.12, "inconclusive", "it straddles")], "looks: 1.24, 1.12 (it straddles)"),
        ([None], "looks: 1.24, none (not measured again)"),
    ],
)
def test_the_look_that_disagrees_is_told(later, why):
    given = iter(later)

    def measure_again(moved):
        comparison = next(given)
        return dict.fromkeys(moved, comparison) if comparison else {}

    assert confirm({"cell": look(1.24, "regressed")}, measure_again)["cell"].why == why


@pytest.mark.parametrize(
    ("ratios", "why"),
    [
        ([1.3] * 5, "5 pairs are too few, 12 may tell"),
        ([1.0] * 10 + [1.1] * 10, "the interval straddles the limit (1.050)"),
        ([0.9] * 10 + [1.0] * 10, "the interval straddles the limit (0.952)"),
        ([0.9] * 10 + [1.1] * 10, "the interval straddles the limit (0.952 and 1.050)"),
        ([1.3] * 20, ""),
        ([1.0] * 20, ""),
    ],
)
def test_what_is_inconclusive_has_its_reason(ratios, why):
    assert compare_samples([1.0] * len(ratios), ratios, 0.0).why == why


def test_a_change_that_may_be_chance_says_among_how_many():
    many = {str(i): Comparison(1.0, 0.9, 1.1, 30, 0.5, "inconclusive", "noise") for i in range(99)}
    weak = Comparison(1.2, 1.06, 1.3, 12, 0.003, "regressed")
    controlled = control_false_discoveries({**many, "weak": weak})
    assert controlled["weak"].why.startswith("it may be chance among 100 comparisons")
    assert controlled["0"].why == "noise"


def test_what_has_not_changed_is_not_looked_at_again():
    still = {"cell": Comparison(1.0, 0.99, 1.01, 30, 0.5, "same")}
    assert confirm(still, looks()) == still
