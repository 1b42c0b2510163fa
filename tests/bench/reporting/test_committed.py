"""What is committed is true: tables follow from the records."""

import json

import pytest

from bench.records.run_store import RunStore
from bench.regression.revisions import KINDS
from bench.regression.verdicts import REGRESSED
from bench.reporting import peers_table, runs_table, scaling_table, speed_table
from bench.system.checkout import ROOT

SPEED, PEERS, SCALING = "speed.*", "peers.*", "scaling.*"
MACHINES = sorted(path.parent for path in (ROOT / "results" / "published").glob("*/runs"))


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_committed_tables_follow_from_committed_records(machine, tmp_path):
    found, problems = RunStore(machine).load()
    assert problems == []
    runs_table.write_runs_table(tmp_path / machine.name, found, "md", None)
    others = {file for name in (SPEED, PEERS, SCALING) for file in machine.glob(f"tables/{name}")}
    for file in sorted(set((machine / "tables").iterdir()) - others):
        assert (tmp_path / machine.name / "tables" / file.name).read_text() == file.read_text()


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob(f"results/published/*/tables/{SPEED}")), ids=lambda path: path.suffix
)
def test_committed_speed_tables_follow_from_committed_records(file):
    forms = speed_table.forms(file.parent.parent)
    assert file.read_text() in forms.values()


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob(f"results/published/*/tables/{PEERS}")), ids=lambda path: path.suffix
)
def test_committed_tables_of_peers_follow_from_what_was_measured(file):
    assert file.read_text() in peers_table.forms(file.parent.parent).values()


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob(f"results/published/*/tables/{SCALING}")), ids=lambda path: path.suffix
)
def test_committed_tables_of_growth_follow_from_what_was_measured(file):
    rows = scaling_table.make_rows(file.parent.parent)
    assert file.read_text() in scaling_table.forms(rows).values()


def ended(file, kind, measures):
    """The verdicts of a machine's trials of one kind."""
    trials = json.loads(file.read_text())["trials"][kind]
    return [one[measure]["verdict"] for one in trials for measure in measures]


@pytest.mark.parametrize("file", sorted(ROOT.glob("results/published/*/gate.json")), ids=str)
def test_the_gate_on_trial_cries_no_wolf_and_misses_none(file):
    same = ended(file, "same", KINDS)
    slower, planted = ended(file, "slower", ["inference"]), ended(file, "planted", ["counters"])
    assert (len(same), len(slower), len(planted)) >= (200, 30, 10)
    assert same.count(REGRESSED) <= 0.01 * len(same)
    assert slower.count(REGRESSED) >= 0.9 * len(slower)
    assert set(planted) == {REGRESSED}
