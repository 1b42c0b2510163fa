"""Power laws: those that errors are made from are found again, with bands that hold them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bench.reporting.scaling_laws import Law, band, bootstrap_laws, fit_law

LAWS = [Law(3.0, 0.8, 3.4, 0.6), Law(1.1, 0.3, 4.5, 0.7), Law(6.2, 1.0, 0.7, 0.25)]


def runs(law, noise=0.0, seed=0):
    size, seen = np.meshgrid(10.0 ** np.arange(3, 6), 10.0 ** np.arange(3, 6))
    size, seen = (np.repeat(x.ravel(), 5) for x in (size, seen))
    factor = np.exp(noise * np.random.default_rng(seed).normal(size=len(size)))
    return size, seen, law.error(size, seen) * factor


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_the_law_of_errors_without_noise_is_found_again(law):
    assert_allclose(fit_law(*runs(law)), law, rtol=1e-4)


@pytest.mark.slow
def test_most_bands_hold_the_exponents_of_noisy_errors():
    law, hits = LAWS[0], []
    for noise in range(8):
        laws = bootstrap_laws(*runs(law, noise=0.05, seed=noise), draws=60)
        low, high = band([_exponents(drawn) for drawn in laws])
        hits.append((low < _exponents(law)) & (_exponents(law) < high) & (high - low < 0.3))
    assert np.mean(hits, 0).min() >= 0.75  # 0.95 of them if there were many runs


def _exponents(law):
    return np.array([law.alpha, law.beta, law.compute, law.growth])


def test_draws_are_the_same_each_time():
    errors = runs(LAWS[0], noise=0.05)
    assert bootstrap_laws(*errors, draws=3) == bootstrap_laws(*errors, draws=3)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_the_best_error_is_the_least_of_all_sizes(law):
    size = np.geomspace(1e-2, 1e12, 100_001)
    assert_allclose(law.best_error(np.array(1e9)), law.error(size, 1e9 / size).min(), rtol=1e-6)


def test_the_best_error_falls_with_the_exponent_of_compute():
    low, high = LAWS[1].best_error(np.array([1e8, 1e10]))
    assert_allclose(np.log(low / high) / np.log(100), LAWS[1].compute)
