"""Times of a sweep: a process per network, all cells in one session, and what cannot be timed."""

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench.core.config import Plugin, Run
from bench.records import run_store
from bench.records.run_store import finished
from bench.records.timings import Timing
from bench.timing import runs

TASK = Plugin("nbody_gravity", {"train": 16, "val": 8, "test": 8, "ood": 8})
TIMING = Timing(median_ms=1.0, quality="A", samples_ms=[1.0])
PLAIN = Run(TASK, Plugin("egnn"), Plugin("plain"))
RUNS = [
    PLAIN,
    replace(PLAIN, seed=1),
    replace(PLAIN, method=Plugin("remul")),
    replace(PLAIN, model=Plugin("egnn", {"channels": 8})),
    replace(PLAIN, model=Plugin("drift")),
]


@pytest.fixture
def root(tmp_path):
    for run in RUNS:
        run_store.write(tmp_path, run_store.new(run))
    return tmp_path


def player(timed, lost):
    """A player of which the closures of some networks cannot be run."""
    parts = {name: (one.run.model.name, one.training) for name, one in timed.items()}
    reasons = {name: lost[part] for name, part in parts.items() if part in lost}
    timings = dict.fromkeys(timed.keys() - reasons.keys(), TIMING)
    return SimpleNamespace(
        timings=lambda: timings,
        facts={"reasons": reasons},
        told=lambda *_, **__: {"flops": 1},
    )


@pytest.fixture
def stand_in(monkeypatch):
    """What each player is given once `measure` has run, and which closures cannot be run."""
    found = SimpleNamespace(parts=[], lost={("drift", True): "drift learns nothing"})

    @contextmanager
    def players(parts, _):
        found.parts.extend(timed for timed, _ in parts)
        yield [player(timed, found.lost) for timed in found.parts]

    monkeypatch.setattr(runs, "players", players)
    monkeypatch.setattr(runs, "play", lambda *_: None)
    return found


def test_each_network_has_a_process(root, stand_in):
    runs.measure(RUNS, root, "cpu")
    networks = [{str(one.run.model) for one in timed.values()} for timed in stand_in.parts]
    assert sorted(networks, key=str) == [{"drift"}, {"egnn"}, {"egnn(channels=8)"}]
    assert sorted(map(len, stand_in.parts)) == [2, 2, 4]


def test_all_cells_have_one_session_in_every_seed(root, stand_in):
    runs.measure(RUNS, root, "cpu")
    found = [finished(run, root).timings for run in RUNS]
    assert len({timing.session for timings in found for timing in timings.values()}) == 1
    assert [sorted(timings) for timings in found] == [
        *[["inference", "train_step"]] * 4,
        ["inference"],
    ]


def test_what_cannot_be_timed_is_named_and_keeps_its_record(root, stand_in, capsys):
    stand_in.lost["drift", False] = "no memory"
    runs.measure(RUNS, root, "cpu")
    assert "no inference timing for drift-plain" in capsys.readouterr().out
    assert finished(RUNS[-1], root).timings == {}


def test_a_step_that_cannot_be_timed_is_told(root, stand_in, capsys):
    stand_in.lost["egnn", True] = "no memory"
    runs.measure(RUNS, root, "cpu")
    shown = capsys.readouterr().out
    assert "no train_step timing for egnn-remul" in shown
    assert "drift" not in shown


@pytest.mark.parametrize("lost", [False, True])
def test_a_session_is_not_taken_twice(root, stand_in, lost):
    if lost:
        stand_in.lost["drift", False] = "no memory"
    runs.measure(RUNS, root, "cpu")
    stand_in.parts.clear()
    runs.measure(RUNS, root, "cpu")
    assert stand_in.parts == []
