"""Steps in the speed over revisions, and a creep that adds up to one."""

import subprocess

import numpy as np
import pytest
from msgspec.structs import replace

from bench.cli import main
from bench.core.cases import SpeedCase
from bench.core.config import Plugin
from bench.records import files
from bench.records.machine_facts import MachineFacts
from bench.records.speed_record import blank_record
from bench.records.timings import Timing
from bench.regression import history
from bench.regression.verdicts import IMPROVED, INCOMPARABLE, REGRESSED

NETWORKS = ("egnn", "tfn", "gatr", "painn", "gnn")


def record(name, factor, draw):
    noise = np.random.default_rng(draw).normal(0, 0.01, 40)
    timing = Timing(median_ms=1.0, quality="A", ratios=(factor * np.exp(noise)).tolist())
    facts = MachineFacts(name="here")
    own = {"status": "done", "timings": {"inference": timing}, "machine": facts, "session": "s"}
    return replace(blank_record(SpeedCase(Plugin(name))), **own)


def follow(*revisions):
    """The track of egnn; each revision has the factor of egnn, or those of all networks."""
    named = []
    for index, factors in enumerate(revisions):
        factors = (
            factors if isinstance(factors, dict) else dict.fromkeys(NETWORKS, 1) | {"egnn": factors}
        )
        made = [record(name, f, 10 * index + i) for i, (name, f) in enumerate(factors.items())]
        named.append((f"r{index}", {str(r.cell): r for r in made}))
    tracks = history.follow(named, 0.0)
    return next(track for (_, case, _), track in tracks.items() if case.startswith("egnn"))


def test_a_level_has_no_steps():
    track = follow(1.0, 1.01, 0.99, 1.0)
    assert (track.steps, track.revisions, track.is_slower) == ([], 4, False)


def test_a_step_is_named_by_its_revision():
    (step,) = follow(1.0, 1.0, 1.2, 1.2).steps
    assert (step.revision, step.verdict) == ("r2", REGRESSED)
    assert step.describe().startswith("x 1.2")


def test_a_creep_of_four_per_cent_a_release_is_a_step_when_it_adds_up():
    track = follow(*[1.04**release for release in range(6)])
    assert [step.verdict for step in track.steps] == [REGRESSED] * len(track.steps)
    assert len(track.steps) >= 2
    assert track.is_slower


def test_what_was_mended_is_not_slower():
    track = follow(1.0, 1.3, 1.0)
    assert [step.verdict for step in track.steps] == [REGRESSED, IMPROVED]
    assert not track.is_slower


def test_where_most_move_alike_it_may_be_the_unit():
    (step,) = follow(1.0, dict.fromkeys(NETWORKS, 1.3)).steps
    assert step.verdict == INCOMPARABLE
    assert step.describe().endswith("most moved alike: the unit?")


@pytest.fixture
def file(tmp_path):
    """A file of records with one commit for each release, each 6 % slower than the one before."""

    def git(*command):
        identity = ("-c", "user.name=n", "-c", "user.email=e")
        subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *command], check=True, capture_output=True
        )

    git("init", "-q")
    file = tmp_path / "Messung für é" / "reference.json"
    file.parent.mkdir()
    for release in range(3):
        cells = [
            record(name, 1.06**release if name == "egnn" else 1, i)
            for i, name in enumerate(NETWORKS)
        ]
        file.write_text(files.as_text({"cells": cells}))
        git("add", ".")
        git("commit", "-qm", f"{release}")
    return file


def history_of(file):
    return main(["compare", "--history", str(file), "--results", str(file.parent)])


def test_the_history_of_a_file_is_that_of_its_commits(file, capsys):
    assert history_of(file) == 1
    shown = capsys.readouterr().out
    assert "5 timings, 1 slower since a step" in shown
    assert shown.splitlines()[6].startswith("| here | egnn")
    assert "| inference | 3 | " in shown.splitlines()[6]


def test_what_is_not_committed_counts_too(file, capsys):
    file.write_text(files.as_text({"cells": [record("egnn", 1.0, 9)]}))
    assert history_of(file) == 0
    assert "at today" in capsys.readouterr().out


def test_a_version_that_cannot_be_read_is_named(file, capsys):
    file.write_text('{"cells": [{}]}')
    assert history_of(file) == 1
    assert "left out: today: " in capsys.readouterr().out


def test_a_file_without_history_is_one_line(tmp_path, capsys):
    assert history_of(tmp_path / "nothing.json") == 2
    assert "git knows no version of it" in capsys.readouterr().err
    assert main(["compare", "a", "--history"]) == 2
