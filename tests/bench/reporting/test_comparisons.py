"""Paired tests: their error rates on planted truths, and what they say of little."""

from math import exp, inf, log

import numpy as np
import pytest

from bench.reporting.comparisons import (
    compare_errors,
    find_front,
    find_ties,
    mean_interval,
    median_interval,
)

DRAWS, FALSE = 200, 0.05  # of planted truths, and the share of false claims that is allowed
SPREAD = 0.01


def draw(generator, factors, seeds):
    """Errors of rows by seed: what seeds share is wide, what is a row's own is SPREAD."""
    logs = np.log(factors)[:, None] + generator.normal(0, SPREAD, (len(factors), seeds))
    logs = logs + generator.normal(0, 0.3, seeds)
    return {str(i): dict(enumerate(np.exp(row).tolist())) for i, row in enumerate(logs)}


def claims(factors, seeds, claim):
    """The share of draws of which the claim is made."""
    generator = np.random.default_rng(0)
    return np.mean([claim(draw(generator, factors, seeds)) for _ in range(DRAWS)])


def is_worse(errors):
    return compare_errors(errors["0"], errors["1"]).is_worse


def is_better(errors):
    return compare_errors(errors["0"], errors["1"]).is_better


@pytest.mark.parametrize("seeds", [5, 10])
def test_three_per_cent_are_found(seeds):
    assert claims((1.03, 1.0), seeds, is_worse) > 0.9
    assert claims((1.03, 1.0), seeds, is_better) == 0


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_equal_rows_are_seldom_told_apart(seeds):
    def is_told(errors):
        return is_worse(errors) or is_better(errors)

    assert claims((1.0, 1.0), seeds, is_told) <= FALSE + 0.03  # of 200 draws, the noise of a count


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_what_is_at_the_margin_is_seldom_within_it(seeds):
    def is_within(errors):
        return compare_errors(errors["0"], errors["1"]).is_within(0.03) is True

    assert claims((1.03, 1.0), seeds, is_within) <= FALSE


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("rows", [4, 12])
def test_the_best_of_many_is_not_flattered(rows, seeds):
    def is_within(errors):
        best = min(list(errors)[1:], key=lambda row: sum(errors[row].values()))
        return compare_errors(errors[best], errors["0"], (rows, 1)).is_within(0.03) is True

    assert claims((1.0, *[1.03] * rows), seeds, is_within) <= FALSE


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("others", [1, 5, 20])
def test_the_truly_best_is_seldom_left_out_of_the_ties(others, seeds):
    assert claims([1.0] * (1 + others), seeds, lambda e: "0" not in find_ties(e)) <= FALSE


@pytest.mark.parametrize("others", [1, 5, 20])
def test_a_row_three_per_cent_worse_is_no_tie(others):
    factors = [1.03] + [1.0] * others
    assert claims(factors, 5, lambda errors: "0" not in find_ties(errors)) > 0.9


def test_ties_begin_with_the_best():
    errors = {"a": {0: 2.0, 1: 2.1}, "b": {0: 1.0, 1: 1.1}, "none": {}}
    assert find_ties(errors)[0] == "b"
    assert "none" not in find_ties(errors)


def test_one_seed_tells_nothing():
    ratio = compare_errors({0: 9.0}, {0: 1.0})
    assert (ratio.low, ratio.high, ratio.is_within()) == (0.0, inf, None)
    assert ratio.seeds_to_tell(1.1) == 5
    assert find_ties({"a": {0: 9.0}, "b": {0: 1.0}}) == ["b", "a"]


def test_seeds_that_are_not_shared_do_not_count():
    assert compare_errors({0: 1.0, 1: 2.0, 7: 1.0}, {0: 1.0, 1: 2.0}).seeds == 2
    with pytest.raises(ValueError, match="without a seed in common"):
        compare_errors({0: 1.0}, {1: 1.0})


def test_an_error_of_nothing_is_a_number():
    nothing, something = {0: 0.0, 1: 0.0}, {0: 1e-3, 1: 2e-3}
    assert compare_errors(nothing, something).is_better
    assert compare_errors(something, nothing).is_worse
    assert compare_errors(nothing, nothing).ratio == 1


def test_a_smaller_gap_needs_more_seeds():
    logs = [log(1.05) + x for x in (-0.3, 0.0, 0.3)]
    ratio = compare_errors({i: exp(x) for i, x in enumerate(logs)}, dict.fromkeys(range(3), 1.0))
    assert 5 <= ratio.seeds_to_tell(2.0) < ratio.seeds_to_tell(1.3)
    assert ratio.seeds_to_tell(1.0501) is None


def test_the_front_is_what_nothing_dominates():
    rows = [(1.0, 3.0), (3.0, 1.0), (2.0, 2.0), (2.0, 3.0), (1.0, 3.0), (None, 0.0)]
    assert find_front(rows, ("mse_test", "mse_ood")) == [True, True, True, False, True, False]
    assert find_front([], ("mse_test",)) == []


def test_times_that_hardly_differ_give_no_place_on_the_front():
    """The second is faster by less than 5 %, the third by more; of the last two, none by enough."""
    rows = [(1.0, 2.00), (2.0, 1.96), (3.0, 1.80), (4.0, 1.70), (4.0, 1.69)]
    assert find_front(rows, ("mse_test", "inference_ms")) == [True, False, True, True, True]
    assert find_front(rows, ("mse_test", "mse_ood")) == [True, True, True, False, True]


def test_intervals_hold_their_middles():
    middle, low, high = median_interval([float(x) for x in range(40)])
    assert (middle, low, high) == (19.5, 13.0, 26.0)
    assert median_interval([1.0, 2.0]) == (1.5, -inf, inf)
    assert mean_interval([1.0]) == (1.0, -inf, inf)
    assert mean_interval([1.0, 3.0])[0] == 2.0
