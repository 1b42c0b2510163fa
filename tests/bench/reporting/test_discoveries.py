"""The comparison of what learns a symmetry: which records are in it, in which order."""

from dataclasses import replace

import pytest
from made_records import make
from msgspec import structs

from bench import Plugin
from bench.records.run_store import RunStore
from bench.reporting.aggregate import frame
from bench.reporting.discoveries import SYSTEMS, tabulate_discoveries
from bench.reporting.discovery_claims import Scores, list_claims, write_claims
from bench.reporting.figures.discoveries import draw_discoveries
from bench.system.checkout import ROOT
from bench.training.execute import execute
from bench.training.selection import load_sweep

SMALL = {"elements": 2, "samples": 4, "validations": 1}


@pytest.fixture(scope="module")
def records():
    """A step of every system on circulant maps from 20 samples, and a run that is none of these."""
    runs = [r for r in load_sweep("discovery") if r.seed == 0]
    first = [r for r in runs if r.task == runs[0].task or r.model.name == "discovery/msr"]
    chosen = [r for r in first if {20} >= {r.task.kwargs.get(n, 20) for n in ("train", "support")}]
    chosen = [r for r in chosen if r.task.kwargs["kind"] == "circulant"]
    other = replace(chosen[0], task=Plugin("linear_maps", {"kind": "circulant"}))
    small = [replace(run, steps=1, **SMALL) for run in [*chosen, other]]
    return [execute(run, "cpu", lambda step: None).record for run in small]


@pytest.mark.slow
def test_every_system_has_its_row(records):
    table = tabulate_discoveries(records)
    assert tuple(table["system"]) == SYSTEMS
    assert {*table["kind"]} == {"circulant"}
    assert {*table["samples"]} == {20}


MAPS = Plugin("linear_maps", {"kind": "circulant", "n": 8, "train": 20})


def test_rows_that_had_help_are_no_system():
    record = structs.replace(make("discovery/tied", 0, 1.0, task=MAPS), equivariant=False)
    record = structs.replace(record, scores=record.scores | {"of_least_squares": 1.0})
    ramp, muon, old = (
        structs.replace(record, run=replace(record.run, method=Plugin("ramp"))),
        structs.replace(record, run=replace(record.run, optimiser="muon")),
        structs.replace(record, key="f" * 8),
    )
    assert [*tabulate_discoveries([record, ramp, muon, old])["system"]] == ["plain"]
    assert tabulate_discoveries([ramp]).empty


def test_a_task_with_the_same_options_is_none_of_the_maps():
    record = make("gnn", 0, 1.0, task=MAPS)
    other = replace(record.run, task=replace(MAPS, name="/somewhere/mine.py"))
    assert tabulate_discoveries([structs.replace(record, run=other)]).empty


def test_the_figure_is_drawn_where_there_is_something_to_show(records, tmp_path):
    (drawing,) = draw_discoveries(tmp_path, records, "svg")
    assert drawing.file.exists()
    assert not draw_discoveries(tmp_path, records[-1:], "svg")


def test_claims_without_records_say_so(records):
    lines = write_claims(records[-1:])
    assert len(lines) == 2 + len([*list_claims()])
    assert all("no records" in line for line in lines[2:])


def test_several_runs_of_a_seed_are_no_evidence():
    records = [
        make("discovery/pathways", 0, 1.0, "evidence", steps=steps, task=Plugin("kchain"))
        for steps in (1, 2)
    ]
    with pytest.raises(ValueError, match="several runs of one seed on kchain"):
        Scores(frame(records)).of("mse_test", "kchain")


def test_every_claim_has_its_committed_records():
    published = RunStore(ROOT / "results" / "published" / "amd-epyc-2c-2f40").load()[0]
    ends = "of 5 |", "| – |"  # where something is asked, and where nothing is
    assert [line for line in write_claims(published) if not line.endswith(ends)][2:] == []
