"""Processes sampled in turn: order, pairs, and the death of one of them."""

import platform
import subprocess
import sys
from queue import SimpleQueue
from types import SimpleNamespace

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from bench.system import environment, machine
from bench.system.checkout import ROOT
from bench.system.protocol import (
    PROTOCOL,
    Count,
    Died,
    Done,
    Failed,
    Hello,
    ProtocolError,
    Sample,
    TakeSample,
)
from bench.timing.interleave import TimedWorker, interleave, summarise_samples


def worker(log, name, answers):
    """A worker that answers from a table and writes down what it was asked."""
    inbox = SimpleQueue()

    def send(request):
        log.append(name)
        inbox.put(answers[type(request)])

    process = SimpleNamespace(inbox=inbox, send=send, checkout=ROOT)
    return TimedWorker(process, "cpu", samples={"inference": []})


TAKE = Sample(1.0, lag=0.0, mhz=None, throttled="")
SAMPLE = {TakeSample: Done(to_builtins(TAKE))}
COUNT = Count({}, "cpu")


def test_every_other_round_is_in_reverse():
    log = []
    interleave([worker(log, name, SAMPLE) for name in "ab"], ["inference"], 4)
    assert log == list("abbaabba")


def test_each_round_is_a_sample_of_each():
    workers = [worker([], name, SAMPLE) for name in "ab"]
    interleave(workers, ["inference"], 5)
    assert [len(each.samples_ms["inference"]) for each in workers] == [5, 5]


def test_a_dead_worker_is_asked_no_more():
    log = []
    dead = worker(log, "a", {TakeSample: Died("killed")})
    interleave([dead], ["inference"], 3)
    with pytest.raises(RuntimeError, match="killed"):
        dead.ask(COUNT)
    assert log == ["a"]


def test_a_worker_that_does_not_answer_is_given_up():
    silent, killed = worker([], "a", SAMPLE), []
    silent.worker.send = lambda *_: None
    silent.worker.kill = lambda: killed.append("a")
    silent.limit_s = 0.01
    interleave([silent], ["inference"], 3)
    assert (silent.death, killed) == ("no answer within 0.01 s", ["a"])


def test_a_reason_is_raised_and_the_worker_lives():
    lively = worker([], "a", {Count: Failed("failed", "too large"), **SAMPLE})
    with pytest.raises(RuntimeError, match="too large"):
        lively.ask(COUNT)
    assert lively.ask(TakeSample("inference"))["ms"] == 1.0


def test_a_worker_that_dies_of_the_question_speaks_the_first_protocol(tmp_path):
    old = worker([], "a", {Hello: Died("the worker ended with code 1")})
    old.worker.checkout = tmp_path  # from before protocols had numbers
    with pytest.raises(ProtocolError, match=f"speaks protocol 1, this checkout {PROTOCOL}: "):
        old.greet()


@pytest.mark.parametrize("reply", [Done(PROTOCOL + 1), Done(None), Failed("failed", "KeyError")])
def test_a_worker_of_another_protocol_is_not_asked_on(reply):
    with pytest.raises(ProtocolError):
        worker([], "a", {Hello: reply}).greet()


@pytest.mark.parametrize("reply", [Done(PROTOCOL), Died("the worker ended with code -9")])
def test_a_worker_of_ours_may_die_later_as_well(reply):
    worker([], "a", {Hello: reply}).greet()


def test_the_clock_of_a_gpu_is_told_by_its_extremes():
    samples = [replace(TAKE, mhz=mhz) for mhz in (1980, 1800, 1980)]
    assert summarise_samples(samples).reason == "clock 10%"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_memory_that_a_worker_frees_costs_no_page_faults_again():
    code = """if True:
        from resource import RUSAGE_SELF, getrusage
        for _ in range(2):
            before = getrusage(RUSAGE_SELF).ru_minflt
            bytearray(b"x") * 2**25
        print(getrusage(RUSAGE_SELF).ru_minflt - before)
    """
    env = environment.environment()
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert int(told.stdout) < 100  # of 8192 pages


def test_records_say_whether_memory_is_kept(monkeypatch):
    for name in environment.KEEP_PAGES:
        monkeypatch.delenv(name, raising=False)
    assert not machine.facts("cpu")["keeps_pages"]
    for name, value in environment.environment().items():
        monkeypatch.setenv(name, value)
    assert machine.facts("cpu")["keeps_pages"]
