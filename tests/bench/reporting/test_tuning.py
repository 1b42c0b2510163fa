"""A search over the learning rate is one row: the best by validation, which says what it took."""

from dataclasses import replace

import pytest
from msgspec import structs

from bench import Plugin, Run
from bench.core.keys import run_key
from bench.records.run_record import blank_record
from bench.reporting.aggregate import frame, summary
from bench.reporting.formats import TAILS
from bench.reporting.runs_table import fill_tables

RUN = Run(Plugin("nbody_gravity"), Plugin("egnn"), Plugin("plain"), steps=5)
VALIDATION = {1e-4: 3.0, 1e-3: 1.0, 1e-2: 2.0}
TEST = {1e-4: 1.0, 1e-3: 2.0, 1e-2: 3.0}


def record(run, val, test, **scores):
    kinds = ("expected_error", "mean_error", "equivariance_error")
    scores = {"mse_val": val, "mse_test": test, **{f"{k}_test": 0.5 for k in kinds}, **scores}
    return structs.replace(blank_record(run), scores=scores, seconds=10.0)


@pytest.fixture
def records():
    """A search of three rates and two seeds with Muon, and Adam at one rate."""
    searched = [
        record(replace(RUN, lr=lr, seed=seed, optimiser="muon"), VALIDATION[lr], TEST[lr])
        for lr in VALIDATION
        for seed in range(2)
    ]
    return [*searched, *(record(replace(RUN, seed=seed), 2.0, 2.0) for seed in range(2))]


def test_the_best_by_validation_is_the_row(records):
    table = summary(frame(records)).set_index("method")
    assert sorted(table.index) == ["plain", "plain + muon + tuned"]
    assert table.loc["plain + muon + tuned", "mse_test"] == TEST[1e-3]


def test_the_row_has_the_seeds_of_its_rate(records):
    table = summary(frame(records)).set_index("method")
    assert table.loc["plain + muon + tuned", "seeds"] == 2
    assert table.loc["plain + muon + tuned", "key"] == run_key(
        replace(RUN, lr=1e-3, optimiser="muon")
    )


def test_a_rate_at_which_a_seed_diverges_is_not_the_best(records):
    lost = next(r for r in records if (r.run.lr, r.run.seed) == (1e-3, 1))
    left = [structs.replace(r, status="diverged") if r is lost else r for r in records]
    table = summary(frame(left)).set_index("method")
    assert table.loc["plain + muon + tuned", "mse_test"] == TEST[1e-2]


def test_what_the_search_took_is_printed(records):
    ((table, _),) = fill_tables(frame(records), "here")
    (note,) = [note for note in table.notes if note.startswith("tuned")]
    assert "one of 3 with the least validation error" in note
    assert "60 s a row" in note


def test_rows_that_differ_otherwise_are_no_search(records):
    others = [replace(r.run, clip=1.0) for r in records[-2:]]
    data = frame([*records[-2:], *(record(run, 1.0, 1.0) for run in others)])
    assert list(summary(data)["method"]) == ["plain", "plain"]


@pytest.mark.parametrize("change", [{"decay": "cosine"}, {"clip": 1.0}, {"validations": 5}])
def test_rows_that_differ_in_more_than_the_rate_are_no_search(change):
    runs = [RUN, replace(RUN, lr=1e-2, **change)]
    table = summary(frame([record(run, 1.0, 1.0) for run in runs]))
    assert list(table["method"]) == ["plain", "plain"]


@pytest.mark.parametrize("lost", ["mse_val", "all"])
def test_a_search_without_a_best_keeps_its_rows(lost):
    others = [record(RUN, 1.0, 1.0)]
    for lr in VALIDATION:
        run = replace(RUN, model=Plugin("gnn"), lr=lr)
        scores = {} if lost == "all" else {"mse_test": TEST[lr]}
        status = "diverged" if lost == "all" else "done"
        others.append(structs.replace(blank_record(run), scores=scores, status=status))
    table = summary(frame(others))
    assert sorted(table["network"]) == ["egnn", "gnn", "gnn", "gnn"]


def test_tails_are_columns_that_are_to_be_asked_for(records):
    scores = dict.fromkeys(TAILS.values(), 0.7)
    data = frame([record(RUN, 1.0, 1.0, **scores)])
    ((table, _),) = fill_tables(data, "here")
    assert set(TAILS) <= set(table.headings)


def test_records_of_before_have_no_tails(records):
    ((table, _),) = fill_tables(frame(records), "here")
    assert not set(TAILS) & set(table.headings)
