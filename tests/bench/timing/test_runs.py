"""Times of a sweep: a process per network, all cells in one session, and what cannot be timed."""

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from msgspec import structs

from bench.core.config import Plugin, Run
from bench.records import claims
from bench.records.claims import Claims
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
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


COMMIT = "0123456789abcdef"


@pytest.fixture
def store(tmp_path):
    for run in RUNS:
        RunStore(tmp_path).write(blank_record(run))
    return RunStore(tmp_path)


def worker(targets, lost, died=(), dirty=False):
    """A worker of which the closures of some networks cannot be run."""
    parts = {name: (target.run.model.name, target.training) for name, target in targets.items()}
    reasons = {name: lost[part] for name, part in parts.items() if part in lost}
    timings = dict.fromkeys(targets.keys() - reasons.keys(), TIMING)
    return SimpleNamespace(
        timings=lambda: timings,
        facts=SimpleNamespace(reasons=reasons, machine={"dirty": dirty, "commit": COMMIT}),
        device="cpu",
        try_ask=lambda *_, **__: {"flops": 1},
        death="killed" if {part[0] for part in parts.values()} & {*died} else "",
    )


@pytest.fixture
def stand_in(monkeypatch):
    """What each worker is given once `measure` has run, and which closures cannot be run."""
    lost = {("drift", True): "drift learns nothing"}
    found = SimpleNamespace(parts=[], lost=lost, died=set(), dirty=False)

    @contextmanager
    def timed_workers(parts, _, limit_s):
        found.parts.extend(timed for timed, _ in parts)
        yield [worker(targets, found.lost, found.died, found.dirty) for targets in found.parts]

    monkeypatch.setattr(runs, "timed_workers", timed_workers)
    monkeypatch.setattr(runs, "interleave", lambda *_: None)
    return found


def test_each_network_has_a_process(store, stand_in):
    runs.measure_runs(RUNS, store, "cpu")
    networks = [{str(one.run.model) for one in timed.values()} for timed in stand_in.parts]
    assert sorted(networks, key=str) == [{"drift"}, {"egnn"}, {"egnn(channels=8)"}]
    assert sorted(map(len, stand_in.parts)) == [2, 2, 4]


def test_all_cells_have_one_session_in_every_seed(store, stand_in):
    runs.measure_runs(RUNS, store, "cpu")
    found = [store.finished(run).timings for run in RUNS]
    assert len({timing.session for timings in found for timing in timings.values()}) == 1
    assert [sorted(timings) for timings in found] == [
        *[["inference", "train_step"]] * 4,
        ["inference"],
    ]


def test_times_name_the_commit_that_was_timed(store, stand_in):
    runs.measure_runs(RUNS, store, "cpu")
    records = [store.finished(run) for run in RUNS]
    assert {timing.commit for record in records for timing in record.timings.values()} == {COMMIT}
    assert COMMIT not in {record.machine.commit for record in records}


@pytest.mark.parametrize("dirty", [False, True])
def test_times_of_uncommitted_code_are_no_evidence(store, stand_in, dirty):
    stand_in.dirty = dirty
    runs.measure_runs(RUNS, store, "cpu")
    late = replace(PLAIN, seed=2)
    store.write(blank_record(late))
    runs.measure_runs([*RUNS, late], store, "cpu")
    assert {bool(store.finished(run).machine.dirty) for run in [*RUNS, late]} == {dirty}


def test_what_cannot_be_timed_is_named_and_keeps_its_record(store, stand_in, capsys):
    stand_in.lost["drift", False] = "no memory"
    runs.measure_runs(RUNS, store, "cpu")
    assert "no inference timing for drift-plain" in capsys.readouterr().out
    assert store.finished(RUNS[-1]).timings == {}


def test_a_step_that_cannot_be_timed_is_told(store, stand_in, capsys):
    stand_in.lost["egnn", True] = "no memory"
    runs.measure_runs(RUNS, store, "cpu")
    shown = capsys.readouterr().out
    assert "no train_step timing for egnn-remul" in shown
    assert "drift" not in shown


@pytest.mark.parametrize("lost", [False, True])
def test_a_session_is_not_taken_twice(store, stand_in, lost):
    if lost:
        stand_in.lost["drift", False] = "no memory"
    runs.measure_runs(RUNS, store, "cpu")
    stand_in.parts.clear()
    runs.measure_runs(RUNS, store, "cpu")
    assert stand_in.parts == []


def test_a_row_whose_worker_died_is_timed_again(store, stand_in):
    stand_in.lost["drift", False] = "the worker ended with code -9"
    stand_in.died.add("drift")
    assert not runs.measure_runs(RUNS, store, "cpu")
    stand_in.lost.clear()
    stand_in.died.clear()
    stand_in.parts.clear()
    assert runs.measure_runs(RUNS, store, "cpu")
    assert "drift" in {target.run.model.name for part in stand_in.parts for target in part.values()}
    assert store.finished(RUNS[-1]).timings


def test_a_session_waits_for_that_of_another_process(store, stand_in, monkeypatch):
    other, target, said = Claims(), store.root / claims.TIMING, []
    other.owner = structs.replace(other.owner, host="elsewhere")
    assert other.take(target)

    def say(line, **_):
        said.append(line)
        other.release(target)

    monkeypatch.setattr(claims, "print", say, raising=False)
    monkeypatch.setattr(claims, "LOOK_S", 0.01)
    assert runs.measure_runs(RUNS, store, "cpu")
    assert said == [f"waiting for another process, which has claimed {target}"]
    assert store.finished(PLAIN).timings


NEW = replace(PLAIN, model=Plugin("gnn"))


def test_what_is_new_is_timed_beside_one_row_alone(store, stand_in):
    runs.measure_runs(RUNS, store, "cpu")
    stand_in.parts.clear()
    store.write(blank_record(NEW))
    before = store.finished(PLAIN).timings
    runs.measure_runs([*RUNS, NEW], store, "cpu")
    assert sorted(one.run.model.name for part in stand_in.parts for one in part.values()) == [
        *["egnn"] * 2,
        *["gnn"] * 2,
    ]
    assert store.finished(PLAIN).timings == before
    assert store.finished(NEW).timings["inference"].beside == before["inference"].beside


def test_a_later_seed_has_the_times_of_its_row(store, stand_in):
    runs.measure_runs(RUNS, store, "cpu")
    stand_in.parts.clear()
    later = replace(PLAIN, seed=7)
    store.write(blank_record(later))
    runs.measure_runs([later], store, "cpu")
    assert stand_in.parts == []
    assert store.finished(later).timings == store.finished(PLAIN).timings


def test_a_disturbed_row_relates_nothing():
    quiet, disturbed = (Timing(median_ms=3.0, quality=q, samples_ms=[2.0, 4.0]) for q in "AC")
    assert runs.relate(quiet, disturbed, "k").ratios == []
    assert runs.relate(disturbed, quiet, "k").ratios == [1.0, 1.0]


def test_a_record_has_no_file_run_that_nobody_named(store, stand_in, tmp_path):
    file = tmp_path / "theirs.py"
    file.write_text("1 / 0\ndef build(signature): ...\n")
    for part in ("model", "method"):
        store.write(blank_record(replace(PLAIN, **{part: Plugin(str(file))})))
    runs.measure_runs(RUNS, store, "cpu")
    timed = [target.run for part in stand_in.parts for target in part.values()]
    names = {plugin.name for run in timed for plugin in run.plugins.values()}
    assert names == {"nbody_gravity", "egnn", "drift", "plain", "remul"}


def test_a_file_that_was_named_is_timed_where_it_is_now(store, stand_in, tmp_path):
    (tmp_path / "there").mkdir()
    here, there = tmp_path / "mine.py", tmp_path / "there" / "mine.py"
    for file in (here, there):
        file.write_text("def build(signature): ...\n")
    before, now = (replace(PLAIN, model=Plugin(str(file))) for file in (there, here))
    store.write(blank_record(before))
    runs.measure_runs([now], store, "cpu")
    paths = {target.run.model.name for part in stand_in.parts for target in part.values()}
    assert str(here) in paths
    assert str(there) not in paths
