"""Which methods are a penalty of some beta."""

import pytest

from bench.reporting.figures.beta import split_method


@pytest.mark.parametrize(
    ("method", "mode", "beta"),
    [
        ("plain", "plain", 0.0),
        ("plain + muon", "plain + muon", None),
        ("remul(beta=2)", "remul", 2.0),
        ("remul(beta=auto)", "remul", None),
        ("remul(beta=2, elements=3)", "remul", None),
        ("augment(copies=4)", "augment", None),
    ],
)
def test_a_penalty_has_a_beta_that_is_a_number(method, mode, beta):
    assert split_method(method) == (mode, beta)
