"""Keys: what makes a configuration another one, and what does not."""

from dataclasses import replace

import pytest

from bench.core.cases import SpeedCase
from bench.core.config import Plugin, Run
from bench.core.keys import case_key, run_key
from bench.records.run_store import RunStore
from bench.records.speed_store import SpeedStore
from bench.system.checkout import ROOT

RUN = Run(Plugin("nbody_gravity"), Plugin("drift"), Plugin("remul", {"beta": 2.0}), steps=4)


MODEL = '''"""A model."""
VERSION = 3
def build(signature):
    """Return it."""
    return signature
'''
SAME = {
    "a comment": MODEL.replace("VERSION = 3", "VERSION = 3  # a comment"),
    "layout": MODEL.replace("VERSION = 3", "VERSION = (\n    3\n)\n"),
    "docstrings": MODEL.replace('"""A model."""', "").replace("Return it.", "Return it at once."),
}
OTHER = {
    "a version": MODEL.replace("VERSION = 3", "VERSION = 4"),
    "a typed version": MODEL.replace("VERSION = 3", "VERSION: int = 4"),
    "code": MODEL.replace("return signature", "return None"),
    "no version": MODEL.replace("VERSION = 3", ""),
}


def key_of(file, code=MODEL):
    """The key of a run whose model is in a file with this code."""
    file.write_text(code)
    return run_key(replace(RUN, model=Plugin(str(file))))


@pytest.mark.parametrize("code", SAME.values(), ids=SAME)
def test_an_edit_that_changes_no_code_keeps_the_key(tmp_path, code):
    assert key_of(tmp_path / "mine.py", code) == key_of(tmp_path / "mine.py")


@pytest.mark.parametrize("code", OTHER.values(), ids=OTHER)
def test_an_edited_file_has_another_key(tmp_path, code):
    assert key_of(tmp_path / "mine.py", code) != key_of(tmp_path / "mine.py")


def test_the_key_of_a_file_is_that_of_every_python(tmp_path):
    code = MODEL + "class Model:\n    pass\n"
    assert key_of(tmp_path / "mine.py", code) == "cd4547bb"


def test_a_moved_file_keeps_the_key(tmp_path):
    (tmp_path / "there").mkdir()
    assert key_of(tmp_path / "there" / "mine.py") == key_of(tmp_path / "mine.py")


def test_a_file_of_another_name_has_another_key(tmp_path):
    assert key_of(tmp_path / "yours.py") != key_of(tmp_path / "mine.py")


def test_a_case_of_the_speed_grid_knows_its_model_by_its_code(tmp_path):
    cases = []
    for folder, code in (("a", MODEL), ("b", MODEL), ("c", OTHER["code"])):
        file = tmp_path / folder / "mine.py"
        file.parent.mkdir()
        file.write_text(code)
        cases.append(SpeedCase(Plugin(str(file))))
    same, moved, edited = map(case_key, cases)
    assert same == moved != edited


PUBLISHED = ROOT / "results" / "published"


@pytest.mark.slow
@pytest.mark.parametrize("machine", sorted(PUBLISHED.glob("*/")), ids=lambda path: path.name)
def test_committed_records_keep_their_keys(machine):
    """Of plug-ins given by name: what was finished stays so."""
    runs, cases = RunStore(machine).load()[0], SpeedStore(machine).load()[0]
    assert [record.run for record in runs if record.key != run_key(record.run)] == []
    assert [record.cell for record in cases if record.key != case_key(record.cell)] == []
    assert RunStore(machine).missing([record.run for record in runs]) == []


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


@pytest.mark.parametrize("name", ["lr", "clip"])
def test_a_whole_number_is_the_same_number(name):
    assert run_key(replace(RUN, **{name: 1})) == run_key(replace(RUN, **{name: 1.0}))


def test_seeds_share_a_key():
    assert run_key(replace(RUN, seed=5)) == run_key(RUN)
