"""The dispatcher: runs end once, whoever trains them and whatever becomes of nodes."""

import math
from concurrent.futures import CancelledError, Executor, Future

import pytest

from bench.core.config import Plugin, Run
from bench.records import claims
from bench.records.claims import Claims
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
from bench.system.progress import tracking
from bench.system.protocol import Done, Failed
from bench.training import dispatch
from bench.training.dispatch import Dispatcher
from bench.training.engines import Engine
from bench.training.job import Report
from bench.training.journal import Journal

TASK = Plugin("nbody_gravity", {"train": 8})
RUNS = [Run(TASK, Plugin("drift"), Plugin("plain"), steps=4, seed=seed) for seed in range(3)]
LEFT = Report([None], [])


class NodeDiedError(Exception):
    """What an engine says of a node's death."""


class Cluster(Executor):
    """An executor that does at once what it is told; None is what it never begins."""

    def __init__(self, *acts):
        self.acts, self.futures = [*acts], []

    def submit(self, train, job):
        future, act = Future(), self.acts.pop(0) if self.acts else train
        self.futures.append(future)
        if act is not None:
            try:
                future.set_result(act(job))
            except Exception as error:
                future.set_exception(error)
        return future


def raising(error):
    def act(job):
        raise error

    return act


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(dispatch, "LOOKS_PER_S", math.inf)
    monkeypatch.setattr(Dispatcher, "look_s", 0.01)
    monkeypatch.setattr(dispatch, "LAST_S", 0.01)
    return RunStore(tmp_path)


def serve(store, *acts, runs=RUNS[:1], ends_s=math.inf):
    """What the journal says when all is served."""

    def train(job):
        for run in runs:
            if run.seed == job.runs[0]["seed"]:
                store.write(blank_record(run))
        return Report([Done()], [])

    cluster = Cluster(*acts)
    with tracking([str(run.seed) for run in runs], [4] * len(runs)) as tracker:
        journal = Journal([*runs], [None] * len(runs), store, tracker, Claims())
        dispatcher = Dispatcher(Engine(cluster, train, (NodeDiedError,)), journal, "cpu", 2)
        dispatcher.serve([[place] for place in range(len(runs))], ends_s)
    return journal, cluster


@pytest.fixture(autouse=True)
def scores(monkeypatch):
    """Records of these tests have none."""
    monkeypatch.setattr("bench.training.journal.describe", lambda run, store: f"seed {run.seed}")


def test_all_runs_end(store):
    journal, cluster = serve(store, runs=RUNS)
    assert (journal.left(), journal.failed, len(cluster.futures)) == ([], set(), 3)


def test_a_failure_is_not_tried_again(store):
    journal, cluster = serve(store, lambda job: Report([Failed("failed", "broken")], []))
    assert (journal.failed, len(cluster.futures)) == ({0}, 1)


def test_a_run_that_was_left_to_others_and_is_free_is_tried_again(store):
    journal, cluster = serve(store, lambda job: LEFT)
    assert (journal.left(), journal.failed, len(cluster.futures)) == ([], set(), 2)


def test_a_run_that_others_have_trained_has_ended(store):
    def other(job):
        store.write(blank_record(RUNS[0]))
        return LEFT

    journal, cluster = serve(store, other)
    assert (journal.left(), journal.failed, len(cluster.futures)) == ([], set(), 1)


def test_a_run_whose_node_died_has_failed(store):
    journal, cluster = serve(store, raising(NodeDiedError("job 7 ended as OUT_OF_MEMORY")))
    assert (journal.failed, len(cluster.futures)) == ({0}, 1)
    assert store.find(RUNS[0]).reason == "job 7 ended as OUT_OF_MEMORY"


def test_a_run_that_outlives_its_node_has_not_failed(store):
    def outlived(job):
        store.write(blank_record(RUNS[0]))
        raise NodeDiedError

    assert serve(store, outlived)[0].failed == set()


def test_a_claim_of_a_host_that_is_gone_lapses(store, monkeypatch):
    monkeypatch.setattr(claims, "LAPSE_S", 0.05)
    other = Claims()
    other.owner = claims.Owner("elsewhere", 1, 0.0)
    other.take(store.path(RUNS[0]))
    journal, cluster = serve(store, lambda job: LEFT)
    assert (journal.failed, journal.waiting, len(cluster.futures)) == (set(), True, 2)
    assert not [*store.root.rglob("*.claim*")]


def test_what_has_not_begun_when_time_is_over_is_taken_back(store):
    journal, cluster = serve(store, None, None, runs=RUNS, ends_s=dispatch.now() + 0.05)
    assert journal.left() == [0, 1, 2]
    assert [future.cancelled() for future in cluster.futures] == [True, True]


@pytest.mark.parametrize("error", [CancelledError(), ModuleNotFoundError("No module 'bench'")])
def test_an_engine_that_cannot_go_on_is_one_line(store, error):
    with pytest.raises(ValueError, match=r"the engine has dropped|a node cannot train"):
        serve(store, raising(error))
