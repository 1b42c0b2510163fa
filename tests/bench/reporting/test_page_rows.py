"""What the page marks in the rows of a task: the best, and those that another row beats."""

import pytest
from made_records import make
from msgspec.structs import replace

from bench.reporting.findings import collect_evidence
from bench.reporting.page_rows import mark_best


def beaten(*records):
    """The networks of rows that another one beats."""
    (evidence,) = collect_evidence(records)
    keys = mark_best(evidence, evidence.table)[1]
    return sorted(record.run.model.stem for record in records if record.key in keys)


def drop(record, *words):
    """The record without the scores that begin so."""
    left = {k: v for k, v in record.scores.items() if not k.startswith(words)}
    return replace(record, scores=left)


def test_a_row_is_beaten_where_another_is_better_in_all():
    assert beaten(make("gnn", 0, 1.0, ms=2.0), make("mlp", 0, 2.0, ms=3.0)) == ["mlp"]
    assert beaten(make("gnn", 0, 1.0, ms=3.0), make("mlp", 0, 2.0, ms=2.0)) == []


def test_what_no_row_has_is_no_reason():
    records = [make("gnn", 0, 1.0, ms=2.0), make("mlp", 0, 2.0, ms=3.0)]
    symmetry = ("expected_error", "equivariance_error", "mean_error")
    assert beaten(*(drop(record, *symmetry) for record in records)) == ["mlp"]
    assert beaten(*(replace(record, timings={}) for record in records)) == ["mlp"]


def test_a_row_that_lacks_a_number_is_not_beaten():
    assert beaten(make("gnn", 0, 1.0, ms=2.0), replace(make("mlp", 0, 2.0), timings={})) == []


def test_trivial_rows_and_old_versions_beat_nothing():
    old = replace(make("egnn", 0, 0.1, ms=0.1), key="f" * 8)
    assert beaten(make("gnn", 0, 1.0), make("drift", 0, 0.1, ms=0.1), old) == []


@pytest.mark.parametrize(("relative", "wanted"), [(1e-6, ["painn"]), (1e-2, [])])
def test_round_off_is_relative_to_the_output(relative, wanted):
    """An E' of 0.01 is that of an exact network where outputs are in the thousands."""
    large, small = (
        replace(record, scores=record.scores | {"equivariance_error_test": relative})
        for record in (
            make("painn", 0, 2.0, ms=2.0, symmetry=1e-3),
            make("egnn", 0, 1.0, ms=1.0, symmetry=1e-2),
        )
    )
    assert beaten(large, small) == wanted
