"""Workers under their guards: of whatever one of them dies, nothing of both is left."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import psutil
import pytest

from bench.system import pool
from bench.system.checkout import ROOT
from bench.system.pool import Pool, Unwanted, Worker
from bench.system.protocol import Died, Done, Hello, MeasureCeilings, MeasurePeer, Train

WORKER = """
import json, os, subprocess, sys, time
def done(result):
    print(json.dumps({"says": "done", "result": result}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "hello":
        done(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    elif request["do"] == "measure_ceilings":
        time.sleep(1000)
    elif request["do"] == "train":
        done(os.getpid())
    elif request["peer"] == "closes":
        os.close(1)
        time.sleep(1000)
    elif request["peer"] == "ends":
        os._exit(3)
    else:
        done(subprocess.Popen(["sleep", "1000"], start_new_session=True, stdout=1).pid)
"""
GONE_S = 2.0


@pytest.fixture
def tree(tmp_path):
    """A checkout whose worker needs no torch."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").touch()
    (tmp_path / "bench" / "worker.py").write_text(WORKER)
    return tmp_path


@pytest.fixture
def worker(tree):
    worker = Worker(tree)
    yield worker
    worker.kill()


def ask(worker, request):
    worker.send(request)
    return worker.inbox.get(timeout=30)


def lives(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_until_gone(*pids):
    for _ in range(int(GONE_S / 0.02)):
        if not any(map(lives, pids)):
            return
        Event().wait(0.02)
    raise AssertionError(pids)


def test_what_a_worker_compiles_goes_with_it(worker):
    folder = Path(ask(worker, Hello()).result)
    assert folder.is_dir()
    worker.kill()
    assert not folder.exists()


def test_what_a_worker_has_started_goes_with_it(worker):
    started = ask(worker, MeasurePeer("starts", "cpu")).result
    assert lives(started)
    worker.kill()
    assert not lives(started)


def test_what_a_worker_that_ended_has_started_goes_too(worker):
    started = ask(worker, MeasurePeer("starts", "cpu")).result
    assert ask(worker, MeasurePeer("ends", "cpu")) == Died("the worker ended with code 3")
    assert not lives(started)


def test_a_worker_that_closes_its_pipe_is_given_up(worker, monkeypatch):
    monkeypatch.setattr(pool, "PATIENCE_S", 0.1)
    death = ask(worker, MeasurePeer("closes", "cpu"))
    assert death == Died("the worker closed its pipe to the parent")


def test_a_worker_goes_with_its_guard(worker):
    folder = Path(ask(worker, Hello()).result)
    (child,) = psutil.Process(worker.process.pid).children()
    worker.process.kill()
    wait_until_gone(child.pid)
    worker.kill()
    Worker(worker.checkout).kill()
    assert not folder.exists()  # swept by the next guard


PARENT = """
import os, sys
from pathlib import Path
import psutil
from bench.system.pool import Worker
from bench.system.protocol import Hello, MeasureCeilings, MeasurePeer
worker = Worker(Path(sys.argv[1]))
worker.send(MeasurePeer("starts", "cpu"))
worker.inbox.get()
worker.send(MeasureCeilings("cpu"))
print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_all_goes_with_a_parent_that_dies(tree, number):
    command = [sys.executable, "-c", PARENT, str(tree), str(int(number))]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    told = subprocess.run(command, env=env, capture_output=True, timeout=60)
    pids = [int(pid) for pid in told.stdout.split()]
    assert len(pids) == 3
    wait_until_gone(*pids)


@pytest.fixture
def workers(tree, monkeypatch):
    """A pool of the workers of that checkout."""
    monkeypatch.setattr(pool, "Worker", partial(Worker, tree))
    monkeypatch.setattr(pool, "LOOK_S", 0.05)
    with Pool() as workers:
        yield workers


def test_a_request_that_does_not_end_is_a_death_in_time(workers):
    answer = workers.answer(MeasureCeilings("cpu"), pytest.fail, 0.2)
    assert answer == Died("no end within 0.2 s", "timeout")
    assert workers.workers == set()


def test_an_answer_that_nobody_wants_is_not_waited_for(workers):
    with pytest.raises(Unwanted):
        workers.answer(MeasureCeilings("cpu"), pytest.fail, is_wanted=lambda: False)
    assert workers.workers == set()


def test_a_pool_that_closes_ends_what_its_threads_wait_for(workers):
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(workers.answer, MeasureCeilings("cpu"), print) for _ in range(2)]
        while len(workers.workers) < 2:
            Event().wait(0.02)
        workers.__exit__()
        assert [type(future.exception(timeout=10)) for future in asked] == 2 * [Unwanted]
    with pytest.raises(Unwanted):
        workers.answer(Hello(), print)


@pytest.mark.system
@pytest.mark.parametrize(("name", "number"), [("mine.py", 3), ("egnn", 1)])
def test_a_worker_that_ran_a_file_is_not_used_again(name, number, workers):
    run = {"model": {"name": name, "kwargs": {}}, "seed": 0}
    answers = [workers.answer(Train(run, "", "cpu"), pytest.fail) for _ in range(3)]
    assert all(isinstance(answer, Done) for answer in answers)
    assert len({answer.result for answer in answers}) == number


def test_a_worker_that_has_died_is_not_used_again(workers):
    first = workers.answer(Train({}, "", "cpu"), pytest.fail).result
    (worker,) = workers.idle
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.listener.join()
    assert workers.answer(Train({}, "", "cpu"), pytest.fail).result != first


def test_workers_have_the_variables_of_their_pool(tree, monkeypatch):
    monkeypatch.setattr(pool, "Worker", partial(Worker, tree))
    with Pool({"TMPDIR": str(tree)}) as workers:
        folder = Path(workers.answer(Hello(), pytest.fail).result)
    assert folder.parent == tree
