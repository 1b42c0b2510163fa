"""Every heading of a table is explained to readers of the page."""

from made_records import make

from bench.reporting import formats, legends, peers_table
from bench.reporting.aggregate import frame
from bench.reporting.runs_table import columns


def test_every_heading_of_a_task_is_explained():
    record = make("egnn", 0, 1.0)
    record.scores.update(dict.fromkeys([*formats.TAILS.values(), "mse_upright", "accuracy"], 1.0))
    headings = [column.heading for column in columns(frame([record]))]
    legend = legends.explain_runs(headings)
    assert legend.keys() == {*headings} >= {*legends.RUNS}
    assert legend["UPRIGHT MSE x 1e3"] == "the same on the split upright"
    assert legend["accuracy"] == "a score of the task's own"


def test_every_heading_of_the_peers_is_explained():
    assert {column.heading for column in peers_table.COLUMNS} == legends.PEERS.keys()
