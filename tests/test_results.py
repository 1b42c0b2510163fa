"""What is committed is true: tables and the README follow from the records."""

from pathlib import Path

import pytest

from bench import records, tables

ROOT = Path(__file__).resolve().parent.parent
MACHINES = sorted(path.parent for path in (ROOT / "results").glob("*/runs"))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_committed_tables_follow_from_committed_records(machine, tmp_path):
    found, problems = records.load(machine)
    assert problems == []
    tables.write(tmp_path / machine.name, found, "md", None)
    for file in sorted((machine / "tables").iterdir()):
        assert (tmp_path / machine.name / "tables" / file.name).read_text() == file.read_text()


def test_the_readme_shows_a_committed_table():
    readme = (ROOT / "README.md").read_text()
    committed = [file.read_text().strip() for file in ROOT.glob("results/*/tables/*.md")]
    assert any(table in readme for table in committed)


def test_the_figures_of_the_readme_exist():
    readme = (ROOT / "README.md").read_text()
    figures = [part.partition(")")[0] for part in readme.split("](")[1:] if ".png)" in part]
    assert figures
    assert all((ROOT / figure).is_file() for figure in figures)
