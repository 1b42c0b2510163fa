"""Claims: one of several processes makes a file, and a dead owner keeps nothing."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from msgspec import json, structs

from bench.records import claims, files
from bench.records.claims import Claims, claiming


@pytest.fixture
def target(tmp_path):
    return tmp_path / "run.json"


def claim(target, number):
    """The place of a claim."""
    folder = target.parent / files.UNFINISHED
    folder.mkdir(exist_ok=True)
    return folder / f"run.json.claim{number}"


def left(target):
    """The names of what is there beside the target."""
    return [file.name for file in target.parent.rglob("*") if file.is_file()]


def elsewhere():
    """The claims of a process of another host."""
    other = Claims()
    other.owner = structs.replace(other.owner, host="elsewhere")
    return other


def test_one_of_two_takes(target):
    assert [elsewhere().take(target), Claims().take(target)] == [True, False]


def test_what_is_ours_stays_ours(target):
    own = Claims()
    assert [own.take(target), own.take(target)] == [True, True]


def test_what_is_released_is_free_and_leaves_nothing(target):
    other = elsewhere()
    other.take(target)
    other.release(target)
    assert left(target) == []
    assert Claims().take(target)


def test_all_is_released_in_the_end(target):
    with claiming() as own:
        own.take(target)
    assert left(target) == []


def test_claims_are_listed_by_their_files_and_tell_a_step(target):
    own, other = Claims(), target.with_name("other.json")
    own.take(target)
    own.note(target, 12, 1e-30, 123.456789)
    own.note(target, 7, 0.5)
    own.note(other, 9)
    claim(target, "s").touch()
    ((file, held),) = claims.read_claims(target.parent).items()
    owner = claims.read_owner(held)
    assert (file, owner.step, owner.loss, owner.error) == (target, 7, 0.5, None)


def test_no_folder_has_no_claims(target):
    assert claims.read_claims(target.parent / "none") == {}
    assert claims.read_owner(target) is None


def test_no_records_are_listed(target, monkeypatch):
    listed = []
    for name in ("listdir", "scandir"):
        noting = partial(note_and_call, listed, getattr(os, name))
        monkeypatch.setattr(os, name, noting)
    Claims().take(target)
    files.write_whole(target, "")
    files.remove_parts(target)
    claims.read_claims(target.parent)
    assert {*listed} == {target.parent / files.UNFINISHED}


def note_and_call(listed, function, folder):
    listed.append(Path(folder))
    return function(folder)


def test_a_claim_that_was_taken_away_is_not_made_again_by_a_step(target):
    own = Claims()
    own.take(target)
    own.own[target].unlink()
    own.note(target, 7)
    assert left(target) == []


def test_of_many_takers_of_a_dead_owners_claim_one_succeeds(target):
    claim(target, 0).write_bytes(json.encode(dead_owner()))
    taken, start = [], Event()

    def take():
        own = Claims()
        start.wait()
        taken.append(own.take(target))

    takers = [Thread(target=take) for _ in range(8)]
    for taker in takers:
        taker.start()
    start.set()
    for taker in takers:
        taker.join()
    assert sorted(taken) == 7 * [False] + [True]


def dead_owner():
    """A process of this host that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        started = psutil.Process(process.pid).create_time()
    return claims.Owner(claims.host(), process.pid, started)


def test_a_number_that_another_process_has_now_is_no_owner(target):
    mine = Claims().owner
    earlier = structs.replace(mine, started=mine.started - 3600)
    claim(target, 3).write_bytes(json.encode(earlier))
    assert Claims().take(target)
    assert left(target) == ["run.json.claim4"]


@pytest.mark.parametrize("beats", [False, True])
def test_a_claim_of_another_host_lapses_without_a_heartbeat(target, beats, monkeypatch):
    other, own, clock = elsewhere(), Claims(), [0.0]
    monkeypatch.setattr(claims, "now", lambda: clock[0])
    other.take(target)
    assert not own.take(target)
    clock[0] = claims.LAPSE_S + 1
    if beats:
        os.utime(other.own[target], ns=(1, 1))
    assert own.take(target) is not beats


def test_an_owner_shows_that_it_lives(target, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_S", 0.01)
    with claiming() as own:
        own.take(target)
        os.utime(own.own[target], ns=(1, 1))
        Event().wait(0.2)
        assert own.own[target].stat().st_mtime_ns > 1


def test_a_claim_without_an_owner_lapses_as_one_of_another_host(target, monkeypatch):
    own, clock = Claims(), [0.0]
    monkeypatch.setattr(claims, "now", lambda: clock[0])
    claim(target, 0).touch()
    assert not own.take(target)
    clock[0] = claims.LAPSE_S + 1
    assert own.take(target)
