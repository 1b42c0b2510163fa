"""What differs between two results, ranked by how much of the gap it can account for."""

import pytest
from made_records import make
from msgspec.structs import replace

from bench.cli import main
from bench.records.run_store import RunStore
from bench.reporting.explanation import Side, explain

ERRORS = "mse_test"


def rows(method, error, **kwargs):
    return [make("gnn", seed, error * (1 + 0.1 * seed), method, **kwargs) for seed in range(3)]


def causes(a, b, pool=(), measure=ERRORS):
    """The lines below a measure."""
    lines = explain(Side(a), Side(b), [*pool, *a, *b])
    start = next(i for i, line in enumerate(lines) if line.startswith(measure))
    rest = lines[start + 1 :]
    ends = next((i for i, line in enumerate(rest) if not line.startswith(" ")), len(rest))
    return rest[:ends]


def test_a_difference_that_a_third_row_shows_is_measured():
    a, b = rows("remul", 4e-3), rows("augment", 2e-3, steps=3000)
    lines = causes(a, b, rows("augment", 4.4e-3))
    assert lines[0] == "  up to 100%  steps 1500 / 3000: measured, 0.455 times"
    assert lines[1].endswith("method remul / augment: measured, 1.1 times, against the gap")


def test_a_difference_that_nothing_shows_alone_may_be_all():
    lines = causes(rows("remul", 4e-3), rows("augment", 2e-3, steps=3000))
    assert len(lines) == 2
    assert all("maybe all" in line and "no record differs in it alone" in line for line in lines)


def test_two_seeds_differ_by_chance():
    records = rows("plain", 1e-3)
    assert "chance" in causes(records[:1], records[1:2], records)[0]


def test_the_same_run_elsewhere_differs_by_its_machine():
    (there, *_), others = rows("plain", 1e-3), rows("plain", 1.05e-3)
    here = replace(others[0], machine=replace(others[0].machine, processor="another"))
    assert "processor one / another: round-off" in causes([there], [here], others)[0]


def test_a_time_is_not_measured_on_another_machine():
    a, b = rows("remul", 1e-3, ms=2.0), rows("augment", 1e-3, ms=4.0, steps=3000)
    elsewhere = [
        replace(record, machine=replace(record.machine, processor="another"))
        for record in rows("augment", 1e-3, ms=40.0)
    ]
    assert all("measured" not in line for line in causes(a, b, elsewhere, "inference"))


def test_a_time_is_of_the_code_that_was_timed():
    """Both were trained by one commit, and timed by two."""
    records = rows("remul", 1e-3, ms=2.0), rows("remul", 1e-3, ms=3.0)
    sides = [
        [replace(r, timings={k: replace(t, commit=c) for k, t in r.timings.items()}) for r in side]
        for side, c in zip(records, ("aaa", "bbb"), strict=True)
    ]
    assert any("commit aaa / bbb" in line for line in causes(*sides, measure="inference"))
    assert not any("commit" in line for line in causes(*records, measure="inference"))


def test_nothing_differs_between_a_result_and_itself():
    own = rows("plain", 1e-3)
    assert [line.split(", ")[-1] for line in explain(Side(own), Side(own), own)] == ["the same"] * 3


@pytest.fixture
def results(tmp_path):
    store = RunStore(tmp_path / "machine")
    for record in (*rows("remul", 4e-3), *rows("augment", 2e-3)):
        store.write(record)
    return store


def test_rows_are_named_by_key_and_records_by_file(results, capsys):
    key, file = rows("remul", 4e-3)[0].key, results.path_of(rows("augment", 2e-3)[0])
    assert main(["explain", key, str(file), "--results", str(results.root.parent)]) == 0
    assert "method remul / augment" in capsys.readouterr().out


def test_what_is_neither_is_one_line(results, capsys):
    assert main(["explain", "nothing", "nothing", "--results", str(results.root.parent)]) == 2
    assert "'nothing' is neither the key of a row nor a file" in capsys.readouterr().err


def test_what_has_not_finished_explains_nothing(results, capsys):
    lost = replace(rows("plain", 1.0)[0], status="failed", reason="no memory", scores={})
    file = results.write(lost)
    assert main(["explain", str(file), str(file), "--results", str(results.root.parent)]) == 2
    assert "has not finished: failed: no memory" in capsys.readouterr().err
