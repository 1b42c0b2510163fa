"""`compare` and `check` on stored records: verdicts, exit codes and reports."""

import json
from xml.etree import ElementTree

import pytest
import torch
from msgspec import to_builtins
from msgspec.structs import replace

from bench.cli import main
from bench.commands.compare import exit_code
from bench.core import cases
from bench.core.cases import SpeedCase
from bench.core.config import Plugin
from bench.core.keys import case_key
from bench.records import files
from bench.records.machine_facts import MachineFacts
from bench.records.speed_record import blank_record
from bench.records.speed_store import SpeedStore
from bench.regression import compare
from bench.regression.differences import list_differences
from bench.regression.report import Verdict, junit, markdown
from bench.timing.samples import summarise

CELL = SpeedCase(Plugin("egnn"))
MACHINE = MachineFacts(name="here", torch="2.13.0", processor="p")
COUNTERS = {"parameters": 10, "dispatched_ops": 20, "step_flops": 30, "moved_bytes": 40}


def record(generator, factor=1.0):
    ratios = (factor * torch.exp(0.01 * torch.randn(40, generator=generator))).tolist()
    timing = replace(summarise(ratios), ratios=ratios)
    parts = {"status": "done", "timings": {"inference": timing}, "counters": {**COUNTERS}}
    return replace(blank_record(CELL), **parts, machine=MACHINE, session="s")


@pytest.fixture
def stored(tmp_path, generator):
    """Writes a changed record into a folder and returns the folder."""

    def store(name, factor=1.0, **changes):
        made = record(generator, factor)
        for part, change in changes.items():
            before = getattr(made, part)
            after = before | change if isinstance(before, dict) else replace(before, **change)
            made = replace(made, **{part: after})
        SpeedStore(tmp_path / name).write(made)
        return str(tmp_path / name)

    return store


CASES = {
    "the same": ({}, 0),
    "a slower one": ({"factor": 1.3}, 1),
    "a faster one": ({"factor": 0.7}, 0),
    "one more operation": ({"counters": {"dispatched_ops": 21}}, 1),
    "one operation less": ({"counters": {"dispatched_ops": 19}}, 0),
    "more bytes moved": ({"counters": {"moved_bytes": 41}}, 0),
    "slower on another machine": ({"factor": 2.0, "machine": {"name": "there"}}, 0),
    "more operations on another machine": (
        {"counters": {"dispatched_ops": 21}, "machine": {"name": "there"}},
        1,
    ),
    "nothing in common": ({"machine": {"name": "there", "torch": "2.12.0"}}, 3),
}


def several(tmp_path, name, count, **changes):
    """A folder with so many records."""
    for index in range(count):
        cell = SpeedCase(Plugin("egnn", {"layers": index + 1}))
        made = record(torch.Generator().manual_seed(index))
        SpeedStore(tmp_path / name).write(replace(made, cell=cell, key=case_key(cell), **changes))
    return str(tmp_path / name)


@pytest.mark.parametrize(("left", "code"), [(1, 3), (4, 0)])
def test_records_that_are_gone_are_counted(left, code, tmp_path, capsys):
    base, new = several(tmp_path, "a", 5), several(tmp_path, "b", left)
    assert main(["compare", base, new, "--results", str(tmp_path / "none")]) == code
    shown = capsys.readouterr().out
    assert f"only in the base: {5 - left} of 5 cells" in shown
    assert f"{5 - left} gone" in shown.splitlines()[0]


def test_timings_that_are_gone_are_counted(tmp_path, capsys):
    base, new = several(tmp_path, "a", 3), several(tmp_path, "b", 3, timings={})
    main(["compare", base, new, "--results", str(tmp_path / "none")])
    assert "3 gone, 3 same" in capsys.readouterr().out


def test_a_counter_that_is_gone_is_not_the_same(stored, tmp_path, capsys):
    new = stored("b", counters={"dispatched_ops": None})
    main(["compare", stored("a"), new, "--results", str(tmp_path / "none")])
    assert "no longer counted: dispatched\\_ops" in capsys.readouterr().out.replace("d_o", "d\\_o")


@pytest.mark.parametrize("floor", [1.5, 1e300, 10**400])
def test_a_floor_above_all_is_refused(floor, stored, tmp_path, capsys):
    base = stored("a")
    (tmp_path / "a" / "noise.json").write_text(f'{{"floor": {floor}}}')
    assert main(["compare", base, base]) == 2
    assert "the noise floor is" in capsys.readouterr().err


@pytest.mark.parametrize(("changes", "code"), CASES.values(), ids=CASES)
def test_the_exit_code_says_what_was_found(stored, tmp_path, changes, code):
    options = ["--results", str(tmp_path / "empty")]
    assert main(["compare", stored("a"), stored("b", **changes), *options]) == code


def test_differences_come_before_any_percentage(stored, tmp_path, capsys):
    changed = stored("b", 1.3, machine={"processor": "q"})
    main(["compare", stored("a"), changed, "--results", str(tmp_path / "empty")])
    report = capsys.readouterr().out
    assert report.index("processor: p / q") < report.index("1.3")


def test_a_regression_is_a_failure_in_junit(stored, tmp_path):
    file = tmp_path / "speed.xml"
    main(["compare", stored("a"), stored("b", 1.3), "--junit", str(file)])
    failure = ElementTree.parse(file).find("testcase/failure")
    assert failure.get("message").startswith("regressed")


def test_compare_names_a_folder_without_records(stored, tmp_path, capsys):
    assert main(["compare", stored("a"), str(tmp_path / "none")]) == 2
    assert "no speed records in" in capsys.readouterr().err


def test_a_file_that_is_not_json_is_named(tmp_path, capsys):
    (tmp_path / "a.json").write_text("[1,")
    assert main(["check", "--reference", str(tmp_path / "a.json")]) == 2
    assert "a.json is no file of records" in capsys.readouterr().err


def test_a_missing_reference_is_said(tmp_path, capsys):
    assert main(["check", "--reference", str(tmp_path / "none.json")]) == 3
    assert "--update" in capsys.readouterr().err


def test_a_reference_file_reads_like_a_folder(stored, tmp_path):
    folder = stored("a")
    records = compare.read_records(SpeedStore(tmp_path / "a").path(CELL).parent)
    file = tmp_path / "reference.json"
    file.write_text(files.as_text({"cells": list(records.values())}))
    assert compare.read_records(file) == compare.read_records(tmp_path / "a") == records
    assert folder


def test_a_network_that_no_longer_runs_has_regressed(stored, tmp_path, capsys):
    broken = stored("b", reasons={"inference": "NameError: x"})
    file = next((tmp_path / "b" / "speed").iterdir())
    file.write_text(json.dumps(json.loads(file.read_text()) | {"status": "failed"}))
    assert main(["compare", stored("a"), broken]) == 1
    assert "NameError: x" in capsys.readouterr().out


def test_a_step_that_no_longer_runs_has_regressed(stored, tmp_path, capsys):
    broken = stored("b", reasons={"inference": "RuntimeError: broke"})
    file = next((tmp_path / "b" / "speed").iterdir())
    file.write_text(json.dumps(json.loads(file.read_text()) | {"timings": {}}))
    assert main(["compare", stored("a"), broken]) == 1
    assert "RuntimeError: broke" in capsys.readouterr().out


def test_the_floor_of_a_machine_is_that_of_its_speed_folder(stored, tmp_path, capsys):
    folder = stored("a")
    (tmp_path / "a" / "noise.json").write_text('{"floor": 0.123, "date": "today"}')
    main(["compare", f"{folder}/speed", f"{folder}/speed"])
    assert "noise floor 12.3% of a" in capsys.readouterr().out


def test_counters_that_cannot_be_taken_any_more_are_a_regression(generator):
    before = record(generator)
    verdict = compare.judge_counters("cell", before, replace(before, counters={}))
    assert verdict.verdict == "regressed"


def test_counters_of_a_processor_and_of_a_gpu_are_not_compared(generator):
    before = record(generator)
    verdict = compare.judge_counters(
        "cell", before, replace(before, machine=replace(MACHINE, gpu="H"))
    )
    assert verdict.verdict == "incomparable"


def test_ratios_to_a_unit_that_has_changed_say_nothing(generator):
    unit = replace(blank_record(SpeedCase(cases.UNIT)), status="done", machine=MACHINE)
    base, new = (
        {str(CELL): record(generator), str(SpeedCase(cases.UNIT)): replace(unit, counters=counters)}
        for counters in (COUNTERS, COUNTERS | {"dispatched_ops": 5})
    )
    (time,) = [row for row in compare.judge_records(base, new, 0.0) if row.measure == "inference"]
    assert (time.verdict, time.why[:8]) == ("incomparable", "the unit")


def networks(generator, slower, count=6):
    """Records of several networks of one session, so many of them slower."""
    many = {}
    for index in range(count):
        cell = SpeedCase(Plugin("egnn", {"layers": index + 1}))
        made = record(generator, 1.3 if index < slower else 1.0)
        many[str(cell)] = replace(made, cell=cell)
    return many


@pytest.mark.parametrize(
    ("slower", "count", "verdict"),
    [(1, 6, "regressed"), (3, 6, "regressed"), (5, 6, "incomparable"), (3, 3, "regressed")],
)
def test_networks_that_all_become_slower_may_have_a_faster_unit(generator, slower, count, verdict):
    base, new = networks(generator, 0, count), networks(generator, slower, count)
    times = [row for row in compare.judge_records(base, new, 0.0) if row.measure == "inference"]
    assert [row.verdict for row in times] == [verdict] * slower + ["same"] * (count - slower)


def test_where_all_moved_beside_the_unit_no_time_is_judged(generator):
    base, new = networks(generator, 0, 6), networks(generator, 6, 6)
    verdicts = compare.judge_records(base, new, 0.0)
    assert {row.verdict for row in verdicts} == {"same", "incomparable"}  # of counters, of times
    assert exit_code(verdicts) == 3


def unit_times(made, factor):
    """The record with all its times so many times longer, the unit's too."""
    timing = made.timings["inference"]
    longer = {
        "median_ms": factor * timing.median_ms,
        "best_ms": factor * timing.best_ms,
        "samples_ms": [factor * sample for sample in timing.samples_ms],
    }
    return replace(made, timings={"inference": replace(timing, **longer)})


@pytest.mark.parametrize(
    ("factor", "words"),
    [(3.0, "the unit itself is 3.0 times slower"), (0.5, "the unit itself is 2.0 times faster")],
)
def test_a_unit_that_has_moved_is_said_before_the_table(
    stored, tmp_path, generator, capsys, factor, words
):
    base = stored("a")
    SpeedStore(tmp_path / "b").write(unit_times(record(generator), factor))
    assert main(["compare", base, str(tmp_path / "b"), "--results", str(tmp_path / "none")]) == 0
    report = capsys.readouterr().out
    assert report.index(words) < report.index("| cell |")


def test_a_unit_alone_that_is_slower_is_said(generator):
    made = record(generator, 1 / 3)
    base, new = {"c": record(generator)}, {"c": unit_times(made, 3.0)}
    assert "the unit itself is 3.0 times slower" in list_differences(base, new)[0]


def test_a_unit_that_has_not_moved_is_not_spoken_of(generator):
    base, new = {"c": record(generator)}, {"c": unit_times(record(generator), 1.05)}
    assert list_differences(base, new) == []


def test_units_of_two_machines_are_not_compared(generator):
    there = replace(record(generator), machine=replace(MACHINE, name="there"))
    lines = list_differences({"c": record(generator)}, {"c": unit_times(there, 3.0)})
    assert lines == ["name: here / there"]


@pytest.mark.parametrize("disturbed", ["base", "new"])
@pytest.mark.parametrize("factor", [1.0, 1.3, 0.7])
def test_quality_c_decides_nothing(generator, disturbed, factor):
    sides = {"base": record(generator), "new": record(generator, factor)}
    timing = replace(sides[disturbed].timings["inference"], quality="C", reason="spread 24%")
    sides[disturbed] = replace(sides[disturbed], timings={"inference": timing})
    _, time = compare.judge_records({"c": sides["base"]}, {"c": sides["new"]}, 0.0)
    assert (time.verdict, time.why) == ("inconclusive", f"{disturbed} of quality C (spread 24%)")


def test_other_rungs_of_the_unit_are_compared(generator):
    cell = SpeedCase(cases.UNIT, mode="compile")
    base, new = (replace(record(generator, factor), cell=cell) for factor in (1.0, 1.3))
    verdicts = compare.judge_records({"c": base}, {"c": new}, 0.0)
    assert [row.verdict for row in verdicts] == ["same", "regressed"]


def test_one_more_graph_break_is_a_regression(generator):
    before, after = (
        replace(record(generator), counters=COUNTERS | {"graph_breaks": breaks})
        for breaks in (0, 1)
    )
    assert compare.judge_counters("cell", before, after).why == "graph_breaks 0 to 1"


@pytest.mark.parametrize("damage", ['{"schema": 1', None])
def test_a_damaged_record_is_named(stored, tmp_path, capsys, generator, damage):
    folder = stored("a")
    odd = to_builtins(record(generator)) | {"timings": {"inference": 5}}
    (tmp_path / "a" / "speed" / "odd.json").write_text(damage or json.dumps(odd))
    assert main(["compare", folder, folder]) == 0
    assert "odd.json" in capsys.readouterr().err


def test_times_without_a_unit_are_not_compared(generator):
    before = record(generator)
    after = replace(before, timings={"inference": replace(before.timings["inference"], ratios=[])})
    verdicts = [row.verdict for row in compare.judge_records({"c": before}, {"c": after}, 0.0)]
    assert verdicts == ["same", "incomparable"]


def test_the_newest_of_two_versions_of_a_cell_counts(tmp_path, generator):
    store = SpeedStore(tmp_path)
    for key, session in (("a" * 8, "2026-02-01"), ("b" * 8, "2026-01-01")):
        store.write(replace(record(generator), key=key, session=session))
    (newest,), problems = store.load()
    assert (newest.session, problems) == ("2026-02-01", [])


SHAPES = ["5", "{}", '{"cells": 5}', '{"cells": [{}]}', '{"schema": 1, "cell": {"nodes": "20"}}']


@pytest.mark.parametrize("content", SHAPES)
def test_json_of_another_shape_is_no_reference(tmp_path, capsys, content):
    (tmp_path / "a.json").write_text(content)
    assert main(["check", "--reference", str(tmp_path / "a.json")]) == 2
    assert "a.json is no file of records" in capsys.readouterr().err


def test_reports_hold_whatever_a_reason_says():
    odd = Verdict("cell", "counters", "regressed", why="a | b \x1b[31m c")
    assert ElementTree.fromstring(junit([odd])).find("testcase/failure") is not None
    assert "a \\| b [31m c" in markdown([odd], [], [])


def test_the_report_says_why_a_time_is_inconclusive(stored, tmp_path, capsys):
    main(["compare", stored("a"), stored("b", 1.05), "--results", str(tmp_path / "empty")])
    assert "the interval straddles the limit (1.050)" in capsys.readouterr().out


def test_an_inconclusive_cell_does_not_fail():
    assert exit_code([Verdict("cell", "inference", "inconclusive")]) == 0
