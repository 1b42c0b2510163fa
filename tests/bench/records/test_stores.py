"""Stores: what is finished, what is damaged, what failed, and copies under other names."""

import json
from dataclasses import replace

import pytest
from msgspec import structs

from bench.core.config import Plugin, Run
from bench.records import files
from bench.records.machine_facts import MachineFacts
from bench.records.peer_record import PeerRecord
from bench.records.peer_store import PeerStore, installed_version
from bench.records.run_record import Surface, blank_record
from bench.records.run_store import RunStore
from bench.records.speed_store import SpeedStore
from bench.records.store import Store
from bench.reporting import aggregate
from bench.system.checkout import ROOT

RUN = Run(Plugin("nbody_gravity"), Plugin("drift"), Plugin("remul", {"beta": 2.0}), steps=4)


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path)


def test_what_fails_leaves_what_had_finished(store):
    done = structs.replace(blank_record(RUN), scores={"mse_test": 1.0})
    lost = structs.replace(blank_record(RUN), status="failed", reason="no memory")
    assert [store.keep(record) for record in (lost, done, lost)] == [
        True,
        True,
        False,
    ]
    assert store.finished(RUN) == done


LACKING = {
    "reason": {"reason": 3},
    "session": {"timings": {"inference": {"median_ms": 1.0}}},
    "names": {
        "run": {
            "task": {"name": 3, "kwargs": {}},
            "model": {"name": "egnn"},
            "method": {"name": "plain"},
        }
    },
}


@pytest.mark.parametrize("change", LACKING.values(), ids=LACKING)
def test_a_record_of_odd_parts_is_none(change, store):
    file = store.write(blank_record(RUN))
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert len(store.load()[1]) == 1


def test_a_failed_run_is_not_finished(store):
    failed = structs.replace(blank_record(RUN), status="failed", reason="this model is broken")
    store.write(failed)
    assert store.missing([RUN]) == [RUN]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', "\0"])
def test_what_is_no_record_is_not_finished(text, store):
    file = store.path(RUN)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert store.finished(RUN) is None
    store.set_aside_damaged([RUN])
    assert [path.suffix for path in file.parent.iterdir()] == [".torn"]


def test_a_record_of_another_run_is_not_finished(store):
    store.path(RUN).parent.mkdir(parents=True)
    other = store.write(blank_record(replace(RUN, seed=4)))
    other.rename(store.path(RUN))
    assert store.finished(RUN) is None


def test_a_copy_under_another_name_replaces_nothing(store):
    file = store.write(blank_record(RUN))
    copy = file.with_name(f"{file.stem}.old.json")
    copy.write_text(file.read_text().replace('"reason": null', '"reason": "an old one"'))
    (record,), (problem,) = store.load()
    assert record.reason is None
    assert f"{copy}: not a record: it is that of" in problem


def test_a_record_of_an_older_code_keeps_its_name(store):
    old = structs.replace(blank_record(RUN), key="0" * 8)
    assert "00000000" in store.write(old).name
    assert store.load() == ([old], [])
    assert store.missing([RUN]) == [RUN]


def run_of(folder, code="VERSION = 1\n"):
    """A run whose model is a file in a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(code)
    return replace(RUN, model=Plugin(str(folder / "mine.py")))


def test_an_edited_model_is_trained_again_a_moved_one_is_not(store, tmp_path):
    before = run_of(tmp_path / "there")
    store.write(blank_record(before))
    moved = run_of(tmp_path / "here")
    (tmp_path / "there" / "mine.py").unlink()
    assert store.missing([moved]) == []
    edited = run_of(tmp_path / "here", "VERSION = 1\nWIDTH = 3\n")
    assert store.missing([edited]) == [edited]


def test_a_record_of_an_edited_model_is_one_of_an_old_version(store, tmp_path):
    store.write(blank_record(run_of(tmp_path / "there")))
    (record,), _ = store.load()
    assert aggregate.is_current(record)
    run_of(tmp_path / "there", "VERSION = 1\nWIDTH = 3\n")
    assert not aggregate.is_current(record)


def test_a_file_is_read_once_until_it_changes(store, monkeypatch):
    file, read, reads = store.write(blank_record(RUN)), files.read_record, []

    def counting(file, parse):
        reads.append(file)
        return read(file, parse)

    monkeypatch.setattr(files, "read_record", counting)
    assert [store.find(RUN) for _ in range(3)] == [blank_record(RUN)] * 3
    assert reads == [file]
    store.write(structs.replace(blank_record(RUN), reason="another"))
    assert store.find(RUN).reason == "another"


DAMAGES = ["", "\0", "[]", "[" * 100_000, '{"schema": 1}', '{"schema": NaN}']
KINDS = {RunStore: "runs/task/bad.json", SpeedStore: "speed/bad.json", PeerStore: "peers/bad.json"}


@pytest.mark.parametrize("text", DAMAGES, ids=lambda text: text[:16])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_loading_survives_a_damaged_file(kind, text, tmp_path):
    file = tmp_path / KINDS[kind]
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.with_name("folder.json").mkdir()
    records, problems = kind(tmp_path).load()
    assert records == []
    assert [problem.partition(":")[0] for problem in problems] == [
        str(file),
        str(file.with_name("folder.json")),
    ]


MACHINES = sorted((ROOT / "results" / "published").glob("*/"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("machine", MACHINES, ids=lambda folder: folder.name)
def test_every_committed_record_has_the_name_of_its_key(kind, machine):
    assert Store.load(kind(machine))[1] == []


def test_a_surface_lies_beside_its_record(store):
    store.keep(blank_record(RUN), "step\n1\n", Surface(at=[0.0], line=[1.0], plane=[[1.0]]))
    assert store.read_surface(RUN).plane == [[1.0]]
    assert store.curve_path(RUN).read_text() == "step\n1\n"
    assert len(store.files()) == 1


def test_another_version_of_a_package_is_measured_again(tmp_path):
    peers = PeerStore(tmp_path)
    version = installed_version("e3nn_gate_points")
    peer = PeerRecord(
        peer="e3nn_gate_points", version=version, job="vectors", cells=[], machine=MachineFacts()
    )
    peers.write(peer)
    assert peers.finished(peer.peer) == peer
    for change in ({"version": "0"}, {"reason": "it broke"}):
        peers.write(structs.replace(peer, **change))
        assert peers.missing([peer.peer]) == [peer.peer]
