"""Records on disk: the committed ones write back to the byte, damaged ones are named."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from bench.records import files, peer_record, run_record, speed_record
from bench.system.checkout import ROOT

RESULTS = ROOT / "results" / "published"
KINDS = {
    "*/runs/*/*[0-9].json": run_record.parse,
    "*/runs/*/*.surface.json": run_record.parse_surface,
    "*/speed/*.json": speed_record.parse,
    "*/peers/*.json": peer_record.parse,
}
EVERY = 7  # of the committed files of a kind is tried


@pytest.mark.parametrize("kind", KINDS)
def test_a_committed_record_writes_back_to_the_same_bytes(kind):
    committed = sorted(RESULTS.glob(kind))[::EVERY]
    assert committed
    for file in committed:
        record = files.read_record(file, KINDS[kind])
        assert files.as_text(record, sort_keys=file.parent.name == "peers") == file.read_text()


def test_the_reference_writes_back_to_the_same_bytes():
    file = RESULTS / "reference.json"
    cells = [speed_record.parse(plain) for plain in json.loads(file.read_text())["cells"]]
    assert files.as_text({"cells": cells}, sort_keys=True) == file.read_text()


def test_a_full_disk_is_told_by_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*record\.json'"):
        files.write_whole(tmp_path / "record.json", "{}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [".", files.UNFINISHED])
def test_what_a_killed_process_left_of_a_file_is_removed(place, tmp_path):
    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    left = [folder / f"run-s1.{end}.12.part" for end in ("json", "curve.csv")]
    others = [tmp_path / "run-s1.json", folder / "run-s11.json.12.part"]
    for file in left + others:
        file.touch()
    files.remove_parts(tmp_path / "run-s1.json")
    assert sorted(filter(Path.is_file, tmp_path.rglob("*"))) == sorted(others)


DAMAGES = {
    "another schema": ("*/runs/*/*[0-9].json", ["schema"], 2, "schema"),
    "a status of its own": ("*/runs/*/*[0-9].json", ["status"], "fine", "status"),
    "a score in words": ("*/runs/*/*[0-9].json", ["scores", "mse_test"], "low", "scores"),
    "a run without a model": ("*/runs/*/*[0-9].json", ["run", "model"], 3, "not a run"),
    "options in a list": ("*/runs/*/*[0-9].json", ["run", "model", "kwargs"], [1], "not a run"),
    "a timing that is a number": ("*/runs/*/*[0-9].json", ["timings", "inference"], 5, "timings"),
    "no samples": (
        "*/runs/*/*[0-9].json", ["timings", "inference", "samples_ms"], [], "samples_ms"
    ),
    "no session": ("*/runs/*/*[0-9].json", ["timings", "inference", "session"], None, "session"),
    "a machine in a list": ("*/runs/*/*[0-9].json", ["machine"], ["amd"], "machine"),
    "profiles of two lengths": (
        "*/runs/*/*[0-9].json", ["profiles", "angles_deg"], [0.0], "profiles"
    ),
    "a plane that is no square": ("*/runs/*/*.surface.json", ["plane", 0], [1.0], "plane"),
    "a line that is flat": ("*/runs/*/*.surface.json", ["line"], 1.0, "line"),
    "a ratio of nought": (
        "*/speed/*.json", ["timings", "inference", "ratios", 0], 0.0, "ratios[0]"
    ),
    "no ratios": ("*/speed/*.json", ["timings", "inference", "ratios"], [], "ratios"),
    "rounds beyond counting": (
        "*/speed/*.json", ["timings", "inference", "rounds"], 10**400, "rounds"
    ),
    "a median that is not that of its samples": (
        "*/speed/*.json", ["timings", "inference", "median_ms"], 1e3, "its samples say"
    ),
    "an escape code": ("*/speed/*.json", ["reasons"], {"inference": "\x1b[31m"}, "terminal obeys"),
    "a counter of its own": ("*/speed/*.json", ["counters", "model"], 3, "counters"),
    "a field of its own": ("*/speed/*.json", ["cellar"], 3, "cellar"),
    "a score of its own": ("*/runs/*/*[0-9].json", ["scores", "a-b"], 1.0, "scores: 'a-b'"),
    "a negative error": ("*/runs/*/*[0-9].json", ["scores", "mse_test"], -1.0, "mse_test"),
    "an endless error": ("*/runs/*/*[0-9].json", ["scores", "mse_test"], 10**400, "mse_test"),
    "a key of other letters": ("*/runs/*/*[0-9].json", ["key"], "../../ab", "key"),
    "a negative time": ("*/speed/*.json", ["timings", "inference", "median_ms"], -1.0, "median_ms"),
    "a quality of its own": ("*/speed/*.json", ["timings", "inference", "quality"], "D", "quality"),
    "a count in words": ("*/speed/*.json", ["counters", "flops"], "many", "counters"),
    "a size in words": ("*/speed/*.json", ["cell", "nodes"], "20", "not a case"),
    "a scale in words": ("*/speed/*.json", ["scale"], "huge", "scale"),
    "a peer without a unit": (
        "*/peers/*.json", ["cells", 0, "timings", "unit inference"], None, "cells[0].timings"
    ),
    "cells that are one": ("*/peers/*.json", ["cells"], {"n": 5}, "cells"),
}  # fmt: skip


def find_record(kind, parents):
    """The first published record that has such a place, and what is there."""
    for file in sorted(RESULTS.glob(kind.replace("runs/*", "runs/nbody_gravity"))):
        part = plain = json.loads(file.read_text())
        with suppress(KeyError, IndexError, TypeError):
            for parent in parents:
                part = part[parent]
            if part is not None:
                return plain, part
    raise AssertionError(f"no record of {kind} has {parents}")


@pytest.mark.parametrize(("kind", "place", "value", "named"), DAMAGES.values(), ids=DAMAGES)
def test_what_does_not_fit_is_named_with_its_file_and_field(kind, place, value, named, tmp_path):
    *parents, name = place
    plain, part = find_record(kind, parents)
    part[name] = value
    file = tmp_path / "damaged.json"
    file.write_text(json.dumps(plain))
    with pytest.raises(ValueError, match="not a record") as raised:
        files.read_record(file, KINDS[kind])
    assert str(file) in str(raised.value)
    assert named in str(raised.value).split("not a record")[1]


DEEP = "[" * 100_000
TEXTS = ["", "\0", "3", "[]", "{}", '{"schema": 1}', '{"schema": NaN}', '{"a": 1e999}', DEEP]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:16])
def test_what_is_no_record_at_all_is_named(text, tmp_path):
    file = tmp_path / "damaged.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"damaged\.json: not a record"):
        files.read_record(file, run_record.parse)


def test_bytes_that_are_no_text_are_named(tmp_path):
    file = tmp_path / "damaged.json"
    file.write_bytes(b'{"key": "\xff\xfe"}')
    with pytest.raises(ValueError, match=r"damaged\.json: not a record"):
        files.read_record(file, run_record.parse)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        files.read_record(tmp_path, run_record.parse)
