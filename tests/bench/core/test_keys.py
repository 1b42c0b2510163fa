"""Keys: what makes a configuration another one, and what does not."""

from dataclasses import replace

import pytest

from bench.core.config import Plugin, Run
from bench.core.keys import run_key

RUN = Run(Plugin("nbody_gravity"), Plugin("drift"), Plugin("remul", {"beta": 2.0}), steps=4)


def test_a_comment_edit_keeps_the_key(tmp_path):
    file = tmp_path / "model.py"
    file.write_text("VERSION = 3\n")
    before = run_key(replace(RUN, model=Plugin(str(file))))
    file.write_text("VERSION = 3  # a comment\n")
    assert run_key(replace(RUN, model=Plugin(str(file)))) == before


@pytest.mark.parametrize("line", ["VERSION = 4", "VERSION: int = 4"])
def test_another_version_has_another_key(tmp_path, line):
    file = tmp_path / "model.py"
    file.write_text("VERSION = 3\n")
    before = run_key(replace(RUN, model=Plugin(str(file))))
    file.write_text(f"{line}\n")
    assert run_key(replace(RUN, model=Plugin(str(file)))) != before


CHANGES = [
    {"lr": 1.0},
    {"steps": 5},
    {"method": Plugin("plain")},
    {"symmetrise": "frame_average"},
    {"surface": 3},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_another_configuration_has_another_key(change):
    assert run_key(replace(RUN, **change)) != run_key(RUN)


def test_seeds_share_a_key():
    assert run_key(replace(RUN, seed=5)) == run_key(RUN)
