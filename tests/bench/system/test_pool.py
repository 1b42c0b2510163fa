"""Workers under their guards: of whatever one of them dies, nothing of both is left."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import psutil
import pytest

from bench.system import pool
from bench.system.checkout import ROOT
from bench.system.pool import Worker, serve
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
    worker = Worker(SimpleQueue(), tree)
    yield worker
    worker.kill()


def ask(worker, request):
    worker.send(0, request)
    return worker.inbox.get(timeout=30)[1]


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
    Worker(SimpleQueue(), worker.checkout).kill()
    assert not folder.exists()  # swept by the next guard


PARENT = """
import os, sys
from pathlib import Path
from queue import SimpleQueue
import psutil
from bench.system.pool import Worker
from bench.system.protocol import Hello, MeasureCeilings, MeasurePeer
worker = Worker(SimpleQueue(), Path(sys.argv[1]))
worker.send(0, MeasurePeer("starts", "cpu"))
worker.inbox.get()
worker.send(0, MeasureCeilings("cpu"))
print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_all_goes_with_a_parent_that_dies(tree, number):
    command = [sys.executable, "-c", PARENT, str(tree), str(int(number))]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    told = subprocess.run(command, env=env, capture_output=True, timeout=60)
    pids = [int(pid) for pid in told.stdout.split()]
    assert len(pids) == 3
    wait_until_gone(*pids)


def test_a_request_that_does_not_end_is_a_death_in_time(tree, monkeypatch):
    monkeypatch.setattr(pool, "Worker", partial(Worker, checkout=tree))
    replies = []
    serve([(7, MeasureCeilings("cpu"))], 1, lambda *reply: replies.append(reply), 0.2)
    assert replies == [(7, Died("no end within 0.2 s", "timeout"))]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "workers"), [("mine.py", 3), ("egnn", 1)])
def test_a_worker_that_ran_a_file_is_not_used_again(name, workers, tree, monkeypatch):
    monkeypatch.setattr(pool, "Worker", partial(Worker, checkout=tree))
    run = {"model": {"name": name, "kwargs": {}}, "seed": 0}
    pids = []

    def note(_, reply):
        assert isinstance(reply, Done)
        pids.append(reply.result)

    serve([(index, Train(run, "", "cpu")) for index in range(3)], 1, note)
    assert (len(pids), len(set(pids))) == (3, workers)
