"""Peers: what is timed is kept, what is left is timed by the same command, in the time there is."""

import json
from dataclasses import replace

import pytest
from msgspec import structs, to_builtins

from bench.cli import main
from bench.records.machine_facts import MachineFacts
from bench.records.peer_record import NETWORKS, PEER_KINDS, PeerCase, PeerRecord
from bench.records.peer_store import PeerStore, installed_version
from bench.records.timings import Timing
from bench.reporting.peers_table import forms
from bench.system.protocol import Died, Done
from bench.timing import peers
from bench.timing.peers import PeerOptions, measure_peers

CLOUDS = ((2, 3), (3, 2), (4, 1))
COMMIT = "0123456789abcdef"
ADAPTER = f"""
'''A network that is no package; it kills its process at four objects if there is a file `kill`.'''
import os, signal
from pathlib import Path
from torch import nn

SOURCE = {{"repository": "owner/name", "commit": "{COMMIT}", "changes": "none"}}
JOB = "vectors"
OURS = {{"name": "egnn", "kwargs": {{"layers": 1}}}}


def build(neighbours):
    return Peer()


class Peer(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1100, bias=False)

    def forward(self, inputs):
        if inputs["position"].shape[1] == 4 and Path(__file__).with_name("kill").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return {{"force": self.linear(inputs["position"])[..., :3]}}
"""


def record(n, batch, ms=1.0, **changes):
    """What a worker answers for a size whose steps take so long."""
    names = [f"{which} {kind}" for which in NETWORKS for kind in PEER_KINDS]
    counts = dict.fromkeys(NETWORKS, 1)
    timings = dict.fromkeys(names, Timing(median_ms=ms * n * batch, quality="A"))
    cell = PeerCase(n, batch, "egnn", counts, timings, counts, counts)
    facts = {"peer": "fake", "version": COMMIT[:8], "job": "vectors", "machine": MachineFacts()}
    source = {"repository": "owner/name", "commit": COMMIT}
    return PeerRecord(**facts, source=source, cells=[cell], **changes)


@pytest.fixture
def adapter(tmp_path):
    file = tmp_path / "fake.py"
    file.write_text(ADAPTER)
    return file


@pytest.fixture
def options(tmp_path, adapter, monkeypatch):
    monkeypatch.setattr(peers, "CLOUDS", CLOUDS)
    return PeerOptions(PeerStore(tmp_path / "machine"), "cpu", [str(adapter)])


@pytest.fixture
def asked(monkeypatch):
    """The sizes that workers are asked for; `answers` of a size may be something else."""

    class Sizes(list):
        pass

    sizes = Sizes()
    sizes.answers = {}

    class FakePool:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def answer(self, request, on_reply, limit_s):
            sizes.append((request.n, request.batch))
            answer = sizes.answers.get(request.n)
            if isinstance(answer, BaseException):
                raise answer
            return answer or Done(to_builtins(record(request.n, request.batch)))

    monkeypatch.setattr(peers, "Pool", FakePool)
    return sizes


def sizes(options):
    return [(cell.n, cell.batch) for cell in options.store.read(options.store.path("fake")).cells]


def test_all_sizes_are_timed_once(options, asked):
    assert measure_peers(options)
    assert measure_peers(options)
    assert asked == [*CLOUDS]
    assert sizes(options) == [*CLOUDS]


def test_what_was_timed_before_an_interruption_is_kept_and_the_rest_follows(options, asked):
    asked.answers[3] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        measure_peers(options)
    assert options.store.find("fake").unfinished
    assert sizes(options) == [CLOUDS[0]]
    asked.answers.clear()
    assert measure_peers(options)
    assert asked == [*CLOUDS[:2], *CLOUDS[1:]]
    assert not options.store.find("fake").unfinished


def test_a_worker_that_dies_ends_its_peer_and_is_asked_again(options, asked, capsys):
    asked.answers[4] = Died("the worker ended with code -9")
    assert not measure_peers(options)
    assert "the worker ended with code -9" in capsys.readouterr().out
    asked.answers.clear()
    assert measure_peers(options)
    assert asked == [*CLOUDS, CLOUDS[2]]


def test_a_reason_is_kept_and_tried_again(options, asked):
    broken = structs.replace(record(3, 2), cells=[], reason="ValueError: no")
    asked.answers[3] = Done(to_builtins(broken))
    assert not measure_peers(options)
    assert options.store.find("fake").reason == "ValueError: no"
    asked.answers.clear()
    assert measure_peers(options)
    assert options.store.find("fake").reason is None
    assert sizes(options) == [*CLOUDS]


def test_without_time_nothing_is_begun_and_the_same_command_goes_on(options, asked, capsys):
    assert not measure_peers(replace(options, budget_s=-1.0))
    assert asked == []
    assert "timed at 0 sizes, the same command goes on" in capsys.readouterr().out
    assert measure_peers(options)


def test_sizes_that_would_take_too_long_are_left_out_for_good(options, asked):
    slow = record(*CLOUDS[0], ms=peers.LONGEST_MS)
    asked.answers[2] = Done(to_builtins(slow))
    assert measure_peers(options)
    assert measure_peers(options)
    assert asked == [CLOUDS[0]]


def test_forced_all_is_timed_anew(options, asked):
    measure_peers(options)
    assert measure_peers(replace(options, force=True))
    assert asked == 2 * [*CLOUDS]


def test_the_version_of_a_repository_is_its_commit(adapter):
    assert installed_version(str(adapter)) == COMMIT[:8]


def test_the_table_says_from_where_and_which_is_smaller(options, asked):
    asked.answers[4] = Done(to_builtins(record(4, 1, smaller="ours", differs="a word")))
    measure_peers(replace(options, budget_s=60.0))
    table = forms(options.store.root)["md"]
    assert "fake: owner/name at 01234567, timed outside; changed: nothing" in table
    assert "| ours | 2 x 3 |" in table


def test_the_table_gives_the_ratio_of_each_round(options, asked):
    asked.answers[4] = Done(to_builtins(record(4, 1)))
    measure_peers(replace(options, budget_s=60.0))
    file = options.store.path("fake")
    whole = json.loads(file.read_text())
    timings = whole["cells"][0]["timings"]
    for which, samples in {"theirs": [3.0, 4.0, 8.0], "ours": [2.0, 1.0, 4.0]}.items():
        timings[f"{which} training"] |= {"samples_ms": samples, "median_ms": sorted(samples)[1]}
    file.write_text(json.dumps(whole))
    assert "| 2 (1.5 to 4) |" in forms(options.store.root)["md"]


@pytest.mark.system
def test_a_peer_that_was_killed_in_the_middle_goes_on(options, adapter):
    (adapter.parent / "kill").touch()
    assert not measure_peers(options)
    before = options.store.find("fake")
    assert sizes(options) == [*CLOUDS[:2]]
    (adapter.parent / "kill").unlink()
    assert measure_peers(options)
    after = options.store.find("fake")
    assert after.cells[:2] == before.cells
    assert [cell.n for cell in after.cells] == [2, 3, 4]


def test_a_peer_that_is_not_there_is_a_line(tmp_path, capsys):
    assert main(["speed", "--peers", "nobody", "--results", str(tmp_path)]) == 2
    assert "no peer 'nobody'" in capsys.readouterr().err


def test_a_size_that_does_not_fit_its_share_waits_for_the_next_run(options, asked, monkeypatch):
    clock = iter(range(0, 10**6, 10))
    monkeypatch.setattr(peers, "now", lambda: float(next(clock)))  # ten seconds between two looks
    assert not measure_peers(replace(options, budget_s=60.0))
    assert asked == [CLOUDS[0]]
    assert options.store.find("fake").unfinished
    assert measure_peers(replace(options, budget_s=1e6))
    assert sizes(options) == [*CLOUDS]


def test_a_size_that_came_later_stands_in_its_place(options, asked):
    measure_peers(options)
    record = options.store.find("fake")
    options.store.write(structs.replace(record, cells=[*record.cells[::2]], unfinished=True))
    assert measure_peers(options)
    assert asked[-1] == CLOUDS[1]
    assert sizes(options) == [*CLOUDS]
