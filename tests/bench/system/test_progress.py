"""Progress that is told to a pipe: a line for each case, and a sign of life."""

from threading import Event

from bench.system import progress


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
