"""What is committed is true: tables and the README follow from the records."""

from pathlib import Path

import pytest

from bench import records, speed_table, tables

ROOT = Path(__file__).resolve().parent.parent
SPEED = "speed.*"
MACHINES = sorted(path.parent for path in (ROOT / "results").glob("*/runs"))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_committed_tables_follow_from_committed_records(machine, tmp_path):
    found, problems = records.load(machine)
    assert problems == []
    tables.write(tmp_path / machine.name, found, "md", None)
    for file in sorted(set((machine / "tables").iterdir()) - set(machine.glob(f"tables/{SPEED}"))):
        assert (tmp_path / machine.name / "tables" / file.name).read_text() == file.read_text()


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob(f"results/*/tables/{SPEED}")), ids=lambda path: path.suffix
)
def test_committed_speed_tables_follow_from_committed_records(file):
    forms = speed_table.forms(file.parent.parent)
    assert file.read_text() in forms.values()


def test_the_rows_of_the_readme_are_those_of_a_committed_table():
    between = (
        (ROOT / "README.md").read_text().split("<!-- table -->")[1].split("<!-- /table -->")[0]
    )
    shown = [line for line in between.splitlines() if line]
    committed = [set(file.read_text().splitlines()) for file in ROOT.glob("results/*/tables/*.md")]
    assert len(shown) > 10
    assert any(set(shown) <= lines for lines in committed)


@pytest.mark.parametrize("page", ["README.md", "docs/method.md"])
def test_the_figures_of_a_page_exist(page):
    text = (ROOT / page).read_text()
    figures = [part.partition(")")[0] for part in text.split("](")[1:] if ".png)" in part]
    assert figures
    assert all((ROOT / page).parent.joinpath(figure).is_file() for figure in figures)
