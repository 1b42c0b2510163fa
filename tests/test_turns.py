"""Processes that take turns: order, pairs, and the death of one of them."""

from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from bench.cells import UNIT, Cell
from bench.pool import Worker
from bench.turns import Player, play


def player(log, name, answers):
    """A player whose worker answers from a table and writes down what it was asked."""
    inbox = SimpleQueue()

    def send(_, request):
        log.append(name)
        inbox.put((None, answers[request["do"]]))

    worker = SimpleNamespace(inbox=inbox, send=send)
    made = Player(Cell(UNIT), worker, "cpu", {"reasons": {}})
    made.samples_ms, made.lags = {"inference": []}, {"inference": []}
    return made


SAMPLE = {"sample": {"done": {"ms": 1.0, "lag": 0.0, "throttled": ""}}}


def test_every_other_round_is_in_reverse():
    log = []
    play([player(log, name, SAMPLE) for name in "ab"], ["inference"], 4)
    assert log == list("abbaabba")


def test_each_round_is_a_sample_of_each():
    players = [player([], name, SAMPLE) for name in "ab"]
    play(players, ["inference"], 5)
    assert [len(one.samples_ms["inference"]) for one in players] == [5, 5]


def test_a_dead_player_is_asked_no_more():
    log = []
    dead = player(log, "a", {"sample": {"died": "killed"}})
    play([dead], ["inference"], 3)
    with pytest.raises(RuntimeError, match="killed"):
        dead.ask("count")
    assert log == ["a"]


def test_a_reason_is_raised_and_the_player_lives():
    one = player([], "a", {"count": {"done": None, "reason": "too large"}, **SAMPLE})
    with pytest.raises(RuntimeError, match="too large"):
        one.ask("count")
    assert one.ask("sample")["ms"] == 1.0


def test_what_a_worker_compiles_goes_with_it():
    worker = Worker(SimpleQueue())
    folder = Path(worker.compiled.name)
    assert folder.is_dir()
    worker.kill()
    assert not folder.exists()
