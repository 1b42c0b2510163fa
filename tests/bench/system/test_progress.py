"""Progress that is told to a pipe: a line for each case, and a sign of life."""

from io import StringIO
from threading import Event

from rich.console import Console

from bench.system import board, progress


def test_each_case_is_a_line_on_stderr(capsys):
    with progress.telling() as tell:
        tell("egnn, 20 x 32", 0.0)
        tell("gnn [1], 20 x 32", 0.5)
    said = capsys.readouterr()
    assert [line.split("  ")[0] for line in said.err.splitlines()] == [
        "egnn, 20 x 32",
        "gnn [1], 20 x 32",
    ]
    assert "50% done after 0 s" in said.err
    assert said.out == ""


def test_what_lasts_is_said_again(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SILENCE_S", 0.02)
    with progress.telling() as tell:
        tell("egnn, 20 x 32", 0.0)
        Event().wait(0.5)
    assert len(capsys.readouterr().err.splitlines()) > 2


def test_a_sign_of_life_comes_every_half_minute():
    assert progress.SILENCE_S * 5 / 4 < 30


def test_a_live_table_tells_what_runs_what_failed_and_what_is_best():
    live = board.Board(["egnn [0]", "gnn", "mlp", "drift"], [100, 100, 2000, 1])
    live.steps |= {0: 100, 1: 100, 2: 1500}
    live.seen[2] = 0.25, 0.125
    live.end(0, {"mse_val": 0.4, "mse_test": 0.5, "expected_error_test": 1e-7})
    live.end(1, None)
    console = Console(file=StringIO(), width=100)
    console.print(live)
    text = console.file.getvalue()
    assert "1 done, 1 failed, 1 running, 1 to go" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["running", "mlp", "1,500", "of", "2,000", "0.25", "0.125"] in rows
    assert ["best", "egnn", "[0]", "100", "0.4", "0.5", "1e-07"] in rows


def test_a_run_whose_steps_are_done_is_being_scored():
    live = board.Board(["egnn"], [100], steps={0: 100})
    console = Console(file=StringIO(), width=100)
    console.print(live)
    assert ["scoring", "egnn", "100", "of", "100"] in [
        line.split() for line in console.file.getvalue().splitlines()
    ]
