"""`check`: a reference held against this checkout, on its machine and on others."""

from contextlib import contextmanager
from io import FileIO
from types import SimpleNamespace

import pytest
import torch
from msgspec import to_builtins
from msgspec.structs import replace

from bench.cli import main
from bench.commands import _options
from bench.core.cases import SpeedCase
from bench.core.config import Plugin
from bench.records import files
from bench.records.machine_facts import MachineFacts
from bench.records.speed_record import blank_record
from bench.regression import reference
from bench.regression.reference import ReferenceCheck
from bench.system import machine
from bench.system.progress import telling
from bench.timing import grid
from bench.timing.samples import summarise

CELL = SpeedCase(Plugin("egnn"), 10, 8)
MACHINE = MachineFacts(name="here", torch="2.13.0", processor="p")
CEILINGS = {"flops_per_s": 1e11, "bytes_per_s": 3e10}


def record(generator, factor=1.0, quality="A"):
    ratios = (factor * torch.exp(0.01 * torch.randn(40, generator=generator))).tolist()
    timing = replace(summarise(ratios), ratios=ratios, quality=quality, reason="spread 30%")
    parts = {"status": "done", "timings": {"inference": timing}, "counters": {"flops": 1}}
    return replace(blank_record(CELL), **parts, machine=MACHINE, ceilings=CEILINGS)


@pytest.fixture
def known(generator):
    return {str(CELL): record(generator)}


@pytest.fixture
def here(monkeypatch):
    """Has the machine be like that of the reference but for what is given."""

    def set_conditions(ceilings=CEILINGS, **facts):
        own = to_builtins(replace(MACHINE, **facts))
        worker = SimpleNamespace(
            facts=SimpleNamespace(machine={k: fact for k, fact in own.items() if k != "name"}),
            try_ask=lambda _: ceilings,
        )

        @contextmanager
        def timed_workers(*_):
            yield [worker]

        monkeypatch.setattr(reference, "timed_workers", timed_workers)

    set_conditions()
    return set_conditions


def take(monkeypatch, *records):
    """Has each timing of the case end in the next of some records."""
    given = iter(records)
    monkeypatch.setattr(ReferenceCheck, "time", lambda *_: {str(CELL): next(given)})


def judge(known, budget_s=60.0, name="here"):
    """The verdicts on everything but counters."""
    rows, _ = ReferenceCheck(known, name, "cpu", 0.0).judge(budget_s)
    return [row for row in rows if row.measure != "counters"]


def test_a_model_that_is_gone_is_named(generator, here):
    gone = replace(record(generator), cell=SpeedCase(Plugin("gone")))
    (row,), _ = ReferenceCheck({"c": gone}, "here", "cpu", 0.0).judge()
    assert (row.verdict, row.why) == ("incomparable", "the model is gone")


def test_a_time_is_taken_again_before_it_is_a_regression(known, generator, here, monkeypatch):
    take(monkeypatch, record(generator, 1.3), record(generator, 1.0))
    (time,) = judge(known)
    assert (time.verdict, time.why) == ("inconclusive", "looks: 1.30, 1.00")


def test_a_time_that_is_slower_thrice_has_regressed(known, generator, here, monkeypatch):
    take(monkeypatch, *[record(generator, 1.3) for _ in range(3)])
    (time,) = judge(known)
    assert time.verdict == "regressed"


def test_a_look_of_quality_c_confirms_nothing(known, generator, here, monkeypatch):
    take(monkeypatch, record(generator, 1.3), record(generator, 1.3, "C"))
    (time,) = judge(known)
    assert time.why == "looks: 1.30, 1.30 (new of quality C (spread 30%))"


def test_without_time_no_change_is_measured_again(known, generator, here, monkeypatch):
    take(monkeypatch, record(generator, 1.3))
    (time,) = judge(known, budget_s=0.0)
    assert time.why == "looks: 1.30, none (not measured again)"


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        ({"ceilings": CEILINGS | {"bytes_per_s": 1.36e10}}, "bytes_per_s: 3e+10 / 1.36e+10"),
        ({"ceilings": CEILINGS | {"flops_per_s": 3e11}}, "flops_per_s: 1e+11 / 3e+11"),
        ({"processor": "q"}, "processor: p / q"),
        ({"torch": "2.12.0"}, "torch: 2.13.0 / 2.12.0"),
        ({"threads": 8}, "threads: 0 / 8"),
    ],
)
def test_times_under_other_conditions_are_incomparable(
    known, generator, here, monkeypatch, conditions, why
):
    here(**conditions)
    take(monkeypatch, record(generator, 1.3))
    monkeypatch.setattr(ReferenceCheck, "count", lambda *_: {
        str(CELL): replace(record(generator), timings={})
    })  # fmt: skip
    (times,) = judge(known)
    assert times.verdict == "incomparable"
    assert why in times.why


def test_times_of_another_machine_are_incomparable(known, generator, here, monkeypatch):
    counted = replace(record(generator), timings={})
    monkeypatch.setattr(ReferenceCheck, "count", lambda *_: {str(CELL): counted})
    (times,) = judge(known, name="there")
    assert (times.verdict, times.why) == ("incomparable", "name: here / there")


def test_ceilings_that_differ_by_little_do_not_matter(known, generator, here, monkeypatch):
    here(ceilings={name: 1.2 * ceiling for name, ceiling in CEILINGS.items()})
    take(monkeypatch, record(generator))
    assert [row.verdict for row in judge(known)] == ["same"]


def test_each_case_is_told_on_stderr(capsys, monkeypatch):
    @contextmanager
    def timed_workers(parts, device, begin):
        for index in range(len(parts)):
            begin(index)
        facts = SimpleNamespace(sample_s={})
        yield [SimpleNamespace(facts=facts, try_ask=lambda _: None) for _ in parts]

    monkeypatch.setattr(grid, "timed_workers", timed_workers)
    monkeypatch.setattr(grid, "interleave", lambda *_: None)
    monkeypatch.setattr(grid, "make_record", lambda case, *_: blank_record(case))
    with telling() as tell:
        reference.time_cases([CELL, SpeedCase(Plugin("gnn"), 10, 8)], "here", "cpu", tell)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines[:3]] == ["transformer", "egnn", "gnn"]


@pytest.fixture
def file(tmp_path, known):
    """A reference file of two networks."""
    other = replace(known[str(CELL)], cell=SpeedCase(Plugin("gnn"), 10, 8))
    path = tmp_path / "reference.json"
    path.write_text(files.as_text({"cells": [*known.values(), other]}))
    return path


def test_models_choose_the_cases(file, generator, here, monkeypatch, capsys):
    monkeypatch.setattr(machine, "folder", lambda _: "here")
    take(monkeypatch, record(generator))
    options = ["--reference", str(file), "--results", str(file.parent)]
    assert main(["check", "--models", "egnn", "--budget", "90s", *options]) == 0
    report = capsys.readouterr().out
    assert "egnn, 10 x 8" in report
    assert "gnn, 10 x 8" not in report.replace("egnn", "")


def test_a_model_that_the_reference_lacks_is_named(file, capsys):
    assert main(["check", "--models", "gatr", "--reference", str(file)]) == 2
    assert "no 'gatr' in the reference; there are egnn, gnn" in capsys.readouterr().err


def test_models_do_not_go_with_update(file, capsys):
    assert main(["check", "--update", "--models", "egnn", "--reference", str(file)]) == 2
    assert "--models goes with a check" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["check"], ["calibrate"], ["compare", "--base", "HEAD", "--models", "egnn"]]
)
def test_a_full_disk_of_temporary_files_is_one_line(command, tmp_path, monkeypatch, capsys):
    full = SimpleNamespace(TemporaryFile=lambda **_: FileIO("/dev/full", "w"))
    monkeypatch.setattr(_options, "tempfile", full)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert main([*command, "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert f"cannot be written to {tmp_path} (No space left on device)" in error
    assert error.count("\n") == 1


def test_a_reference_has_no_file_of_its_choice_run(generator, here, tmp_path, monkeypatch):
    monkeypatch.setattr(ReferenceCheck, "time", lambda *_: {})
    file = tmp_path / "theirs.py"
    file.write_text("def build(signature): ...\n")
    cell = SpeedCase(Plugin(str(file)), reference.NODES, reference.BATCH)
    theirs = {str(cell): replace(record(generator), cell=cell)}
    rows, _ = ReferenceCheck(theirs, "here", "cpu", 0.0).judge(60.0)
    assert [row.why for row in rows if row.measure == "counters"] == ["the model is gone"]
