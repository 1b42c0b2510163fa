"""Rows, columns and order of tables as the command line chooses them."""

import pytest

from bench.reporting.choice import Choice, choose, choose_among, write_tables
from bench.reporting.formats import ABSENT, Table

HEADINGS = ["model", "method", "MSE x 1e3", "infer ms", "infer samples/s"]
CELLS = [
    ["egnn", "plain", "0.9 ± 0.3", "3.4", "18,000"],
    ["gnn", "remul(beta=10)", "3.6 ± 0.1", "2.4 C", "26,000"],
    ["gnn", "plain", "10.5 ± 0.1", ABSENT, ABSENT],
]
TABLE = Table("t", HEADINGS, CELLS, ["a note"])


def test_spare_columns_are_left_out_unless_asked_for():
    assert choose(TABLE).headings == HEADINGS[:4]
    assert choose(TABLE, Choice(["infer samples/s"])).headings == [*HEADINGS[:2], HEADINGS[4]]


@pytest.mark.parametrize(("sort", "order"), [("infer ms", [1, 0, 2]), ("-mse x 1e3", [2, 1, 0])])
def test_numbers_are_sorted_as_numbers_and_absent_ones_come_last(sort, order):
    assert choose(TABLE, Choice(sort=sort)).cells == [CELLS[i][:4] for i in order]


@pytest.mark.parametrize(("sort", "order"), [("mse", "1 20 failed –"), ("-mse", "20 1 failed –")])
def test_texts_come_after_numbers_in_either_direction(sort, order):
    cells = [["a", "plain", text] for text in ("–", "failed", "20", "1")]
    table = Table("t", ["model", "method", "MSE"], cells, [])
    assert [row[2] for row in choose(table, Choice(sort=sort)).cells] == order.split()


def test_words_are_sorted_in_both_directions():
    assert [row[0] for row in choose(TABLE, Choice(sort="-model")).cells] == ["gnn", "gnn", "egnn"]


def test_conditions_that_no_row_meets_are_a_mistake():
    with pytest.raises(ValueError, match="no row has model=egn and method=plain"):
        choose_among([TABLE], Choice(rows=["model=egn", "method=plain"]))


def test_rows_match_all_globs():
    assert choose(TABLE, Choice(rows=["model=gnn", "method=remul*"])).cells == [CELLS[1][:4]]


def test_an_unknown_heading_names_the_nearest():
    with pytest.raises(ValueError, match="no column 'MSE x 1e2' in t; did you mean 'MSE x 1e3'"):
        choose(TABLE, Choice(["MSE x 1e2"]))


def test_a_table_without_the_heading_is_left_out_if_another_has_it():
    other = Table("u", ["model", "size"], [["egnn", "5"]], [])
    assert [t.title for t in choose_among([TABLE, other], Choice(["size"]))] == ["u"]


def test_csv_holds_what_is_shown():
    shown = write_tables([choose(TABLE, Choice(["infer ms"], rows=["model=egnn"]))], "csv")
    assert shown == "table,model,method,infer ms\nt,egnn,plain,3.4"
