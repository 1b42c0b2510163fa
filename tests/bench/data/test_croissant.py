"""Croissant metadata of data that were made here."""

import hashlib
import json

import pytest

from bench.cli import main
from bench.core import plugins
from bench.data import croissant
from bench.data.cache import folder

TASK = "nbody_gravity"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Arrays of the task, in a folder of their own."""
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    plugins.load("tasks", TASK).load(0, train=8, val=4, test=4, ood=4)
    (file,) = (folder() / TASK).glob("*.npz")
    return file


def test_files_have_their_hashes(file):
    (described,) = croissant.describe(TASK)["distribution"]
    assert described["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert described["contentUrl"] == file.name


def test_arrays_have_their_shapes(file):
    (records,) = croissant.describe(TASK)["recordSet"]
    rows = [[value for _, value in sorted(row.items())] for row in records["data"]]
    assert ["train/inputs/position", "float64", "8 4 3"] in rows


def test_the_command_prints_json(file, capsys):
    assert main(["data", "croissant", TASK]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == TASK


def test_data_that_are_not_here_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REMUL_DATA", str(tmp_path))
    assert main(["data", "croissant", TASK]) == 2
    assert "'python -m bench data make nbody_gravity' makes them" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_reference_implementation_finds_nothing_wrong(file):
    mlcroissant = pytest.importorskip("mlcroissant", reason="the extra [croissant] is not here")
    description = croissant.describe(TASK)
    data = mlcroissant.Dataset(jsonld=description)
    assert (data.metadata.issues.errors, data.metadata.issues.warnings) == (set(), set())
    assert len(list(data.records(description["recordSet"][0]["@id"]))) == 16
