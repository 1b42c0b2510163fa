"""Jobs: a node trains what nobody else has trained or is training, and says how far it is."""

import pytest
from msgspec import structs

from bench.core.config import Plugin, Run, to_plain
from bench.records.claims import Claims, read_claims, read_owner
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
from bench.system.pool import Unwanted
from bench.system.protocol import Died, Done, Ended, Failed, Line, Step, Train, TrainSeeds
from bench.training.job import Job, train_job

TASK = Plugin("nbody_gravity", {"train": 8})
RUNS = [Run(TASK, Plugin("drift"), Plugin("plain"), steps=4, seed=seed) for seed in range(3)]


class Workers:
    """A pool whose worker says what it is told to say."""

    def __init__(self, *says, then=lambda: None):
        self.says, self.then, self.asked = says, then, []

    def answer(self, request, on_reply, limit_s, is_wanted):
        self.asked.append(request)
        for reply in self.says[:-1]:
            on_reply(reply)
            self.then()
        if isinstance(self.says[-1], Exception):
            raise self.says[-1]
        return self.says[-1]


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path)


def job(store, runs):
    return Job(
        [to_plain(run) for run in runs], [None] * len(runs), str(store.root), "cpu", look_s=0
    )


def test_a_run_is_asked_of_a_worker(store):
    workers = Workers(Done())
    report = train_job(job(store, RUNS[:1]), workers)
    assert report == ([Done()], [])
    assert [type(request) for request in workers.asked] == [Train]


def test_a_claim_tells_how_far_a_run_has_come(store):
    steps = []

    def look():
        ((file, claim),) = read_claims(store.path(RUNS[0]).parent).items()
        owner = read_owner(claim)
        steps.append((file == store.path(RUNS[0]), owner.step, owner.loss, owner.error))

    says = Step(7, [0.5], [None]), Step(12), Done()
    train_job(job(store, RUNS[:1]), Workers(*says, then=look))
    assert steps == [(True, 7, 0.5, None), (True, 12, None, None)]
    assert read_claims(store.path(RUNS[0]).parent) == {}


def test_a_run_that_another_process_holds_is_left_to_it(store):
    other = Claims()
    other.take(store.path(RUNS[0]))
    workers = Workers(Done())
    assert train_job(job(store, RUNS[:1]), workers).answers == [None]
    assert workers.asked == []


def test_a_run_that_has_a_record_by_now_is_not_trained(store):
    store.write(blank_record(RUNS[0]))
    workers = Workers(Done())
    assert train_job(job(store, RUNS[:1]), workers).answers == [None]
    assert workers.asked == []


def test_a_death_leaves_a_record(store):
    death = Died("no end within 2 s", "timeout")
    assert train_job(job(store, RUNS[:1]), Workers(death)).answers == [death]
    record = store.find(RUNS[0])
    assert (record.status, record.reason) == ("timeout", "no end within 2 s")


def test_what_nobody_wants_leaves_nothing(store):
    with pytest.raises(Unwanted):
        train_job(job(store, RUNS[:1]), Workers(Unwanted()))
    assert [f for f in store.path(RUNS[0]).parent.rglob("*") if f.is_file()] == []


def test_seeds_end_one_by_one(store):
    workers = Workers(Line("2 seeds at once"), Ended(0), Failed("failed", "of the rest"))
    report = train_job(job(store, RUNS), workers)
    assert report == ([Done(), None, None], ["2 seeds at once"])


def test_seeds_without_those_of_others_are_fewer(store):
    other = Claims()
    other.take(store.path(RUNS[1]))
    workers = Workers(Ended(1), Done())
    assert train_job(job(store, RUNS), workers).answers == [None, None, Done()]
    (request,) = workers.asked
    assert (type(request), [run["seed"] for run in request.runs]) == (TrainSeeds, [0, 2])


def test_a_death_of_several_is_no_record(store):
    assert train_job(job(store, RUNS), Workers(Died("killed"))).answers == 3 * [None]
    assert store.files() == []


def test_a_failure_of_what_had_finished_changes_nothing(store):
    store.write(structs.replace(blank_record(RUNS[0]), seconds=3.0))
    forced = Job([to_plain(RUNS[0])], [store.state(RUNS[0])], str(store.root), "cpu")
    assert train_job(forced, Workers(Died("killed"))).answers == [Died("killed")]
    assert store.find(RUNS[0]).seconds == 3.0
