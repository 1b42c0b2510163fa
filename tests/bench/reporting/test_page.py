"""The report: one page that shows every table and figure, the same from the same records."""

import re
import shutil

import pytest

from bench.cli import main
from bench.system.checkout import ROOT

RESULTS = ROOT / "results" / "published"
MACHINE = sorted(path.parent for path in RESULTS.glob("*/runs"))[0]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A machine with two finished runs of one task, one timed cell, and their report."""
    root = tmp_path_factory.mktemp("results") / MACHINE.name
    runs = sorted((MACHINE / "runs" / "nbody_gravity").glob("egnn-plain-*-s[01].*"))
    for file in (*runs, *sorted((MACHINE / "speed").glob("egnn-5x1-*"))):
        target = root / file.relative_to(MACHINE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    assert main(["report", "--results", str(root.parent)]) == 0
    return root


@pytest.fixture(scope="module")
def page(root):
    return (root / "report.html").read_text()


def test_each_task_and_speed_have_a_section(page):
    sections = re.findall('<section id="(.*?)">', page)
    assert sections == ["nbody_gravity-val-500", "speed"]
    assert all(f'href="#{section}"' in page for section in sections)


def test_the_rows_are_those_of_the_table(root, page, capsys):
    assert main(["table", "--format", "md", "--results", str(root.parent)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| egnn")]
    assert lines
    text = page.replace("<wbr>", "")
    for cell in {cell.strip() for line in lines for cell in line.split("|")}:
        assert cell.replace("'", "&#39;") in text


def test_every_heading_is_explained(page):
    headings, terms = (re.findall(f"<{tag}.*?>(.*?)</{tag}>", page) for tag in ("th", "dt"))
    assert headings
    assert set(headings) == set(terms)


def test_every_figure_is_there_with_its_caption(root, page):
    figures = re.findall('src="(.*?)"', page)
    assert figures
    assert all((root / figure).is_file() for figure in figures)
    assert len(re.findall("<figcaption>.{40}", page)) == len(figures)


def test_a_second_report_is_the_same(root, page):
    assert main(["report", "--results", str(root.parent)]) == 0
    assert (root / "report.html").read_text() == page
