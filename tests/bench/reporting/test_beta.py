"""Which methods are a penalty of some beta, and which rows of them are drawn."""

import pandas as pd
import pytest

from bench.reporting.figures.beta import split_method, sweep_beta


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


@pytest.mark.parametrize(("plain", "steps"), [(100, 100), (500, 500), (None, 500)])
def test_rows_against_beta_have_the_steps_of_plain_training(plain, steps):
    rows = [(f"remul(beta={beta})", n) for beta in (1, 10) for n in (100, 500)]
    rows += [("plain", plain)] if plain else []
    table = pd.DataFrame(rows, columns=["method", "steps"]).assign(model="gnn", mse_test=1.0)
    swept = sweep_beta(table)
    assert set(swept["steps"]) == {steps}
    assert swept["beta"].tolist() == ([0.0] if plain else []) + [1.0, 10.0]
