"""The report: one page with answer, figures, tables and records, the same from the same records."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys

import pytest
from made_records import make, make_rows
from msgspec.structs import replace

from bench.cli import main
from bench.core.config import Plugin
from bench.records.run_store import RunStore
from bench.reporting.findings import collect_evidence
from bench.reporting.page import write_page
from bench.system.checkout import ROOT

RESULTS = ROOT / "results" / "published"
MACHINE = RESULTS / "amd-epyc-2c-2f40"
SPEEDS = sorted(RESULTS.glob("*/speed/egnn-5x1-*"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A machine with two finished runs of one task, one timed cell, and their report."""
    root = tmp_path_factory.mktemp("results") / MACHINE.name
    folder = MACHINE / "runs" / "nbody_gravity"
    drawn = {file.name.partition(".")[0] for file in folder.glob("*.surface.json")}  # are no rows
    runs = [
        file
        for record in sorted(folder.glob("egnn-plain-*-s[01].json"))
        if record.stem not in drawn
        if json.loads(record.read_text())["run"]["task"]["kwargs"] == {"val": 500}
        for file in folder.glob(f"{record.stem}.*")
    ]
    for file in (*runs, *SPEEDS):
        target = root / file.relative_to(MACHINE if file in runs else file.parents[1])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    assert main(["report", "--results", str(root.parent)]) == 0
    return root


@pytest.fixture(scope="module")
def page(root):
    return (root / "report.html").read_text()


@pytest.mark.slow
def test_the_answer_comes_first_then_tasks_speed_machines_and_records(page):
    sections = re.findall('<section id="(.*?)"', page)
    assert sections == ["answer", "nbody_gravity-val-500", "speed", "machines", "records"]
    assert all(f'href="#{section}"' in page for section in sections)


@pytest.mark.slow
def test_tasks_with_an_answer_come_first_and_tasks_of_a_kind_are_one_entry(tmp_path):
    root = tmp_path / "one-0000"
    two = [make("gnn", 0, 1.0, task=Plugin("nbody_gravity", {"val": n})) for n in (8, 9)]
    for record in (*make_rows(1, egnn=1e-3, gnn=2e-3), *two):
        RunStore(root).write(record)
    assert main(["report", "--results", str(tmp_path)]) == 0
    text = (root / "report.html").read_text().replace("<wbr>", "")
    assert "<summary>nbody_gravity (3)</summary>" in text
    leads = text.partition('<ul class="leads">')[2].partition("</ul>")[0]
    assert re.findall("<a href.*?>(.*?)</a>", leads) == ["nbody_gravity(val=500)"]
    assert "On 2 other tasks" in text
    others = text.partition('id="others"')[2].partition("</section>")[0]
    assert "nbody_gravity(val=8)" in others


@pytest.mark.slow
def test_where_no_task_has_an_answer_all_are_shown(tmp_path):
    root = tmp_path / "one-0000"
    for n in (8, 9):
        RunStore(root).write(make("gnn", 0, 1.0, task=Plugin("nbody_gravity", {"val": n})))
    assert main(["report", "--results", str(tmp_path)]) == 0
    text = (root / "report.html").read_text()
    assert text.count("Not answered") == 4
    assert 'id="others"' not in text


def test_the_rows_are_those_of_the_table(root, page, capsys):
    assert main(["table", "--format", "md", "--results", str(root.parent)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| egnn")]
    assert lines
    text = page.replace("<wbr>", "")
    for cell in {cell.strip() for line in lines for cell in line.split("|")}:
        assert cell.replace("'", "&#39;") in text


def test_every_heading_of_a_table_of_rows_is_explained(page):
    headings, terms = (set(re.findall(term, page)) for term in ('data-name="(.*?)"', "<dt>(.*?)<"))
    assert headings
    assert headings == terms


def test_every_figure_has_its_caption_and_what_is_read_out(page):
    figures = re.findall('<figure>\\s*<svg role="img" aria-label="[^"]{20,}"', page)
    assert figures
    assert len(re.findall("<figcaption>.{40}", page)) == len(figures) == page.count("<figure>")


def test_names_in_the_page_are_unique_and_links_within_it_lead_somewhere(page):
    names = re.findall(r'\sid="(.*?)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r'href="#(.*?)"|url\(#(.*?)\)', page)) <= {
        pair for name in names for pair in ((name, ""), ("", name))
    }


def test_the_page_asks_no_network(page):
    assert not re.findall(
        r'src=|<link rel="stylesheet|(?<!xmlns:xlink=")(?<!xmlns=")https?://', page
    )


def test_records_are_linked_with_the_command_that_makes_them_again(root, page):
    files = re.findall('<a href="((?:runs|speed)/.*?)"', page)
    assert len(files) == len([*root.glob("runs/*/*.json"), *root.glob("speed/*.json")])
    assert all((root / file).is_file() for file in files)
    assert "<code>python -m bench run --task nbody_gravity:val=500 --models egnn" in page


def test_a_row_that_a_sentence_rests_on_is_named_without_its_task(tmp_path):
    root, task = tmp_path / "one-0000", Plugin("nbody_gravity", {"train": 10, "val": 500})
    for record in make_rows(1, egnn={"error": 1e-3, "task": task}, gnn={"error": 1, "task": task}):
        RunStore(root).write(record)
    assert main(["report", "--results", str(tmp_path)]) == 0
    text = (root / "report.html").read_text()
    assert ">egnn plain, 1,500 steps</a>" in text
    assert "nbody_gravity(train=10, val=500), egnn plain, 1,500 steps: <a" in text


@pytest.mark.slow
def test_a_second_report_is_the_same_wherever_it_lies(root, page, tmp_path):
    other = shutil.copytree(root, tmp_path / "elsewhere" / root.name)
    shutil.rmtree(other / "figures")
    assert main(["report", "--results", str(other.parent)]) == 0
    assert (other / "report.html").read_text() == page


@pytest.mark.system
def test_the_report_is_the_same_without_torch(root, page, tmp_path):
    other = shutil.copytree(root, tmp_path / "elsewhere" / root.name)
    shutil.rmtree(other / "figures")
    code = (
        "import sys; from bench.cli import main\n"
        "main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "report", "--results", str(other.parent)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (other / "report.html").read_text() == page


def test_failures_alone_make_a_page_that_says_so(root, tmp_path):
    records, _ = RunStore(root).load()
    failed = [
        replace(one, status="diverged", reason="<b>inf</b>", scores={}, timings={})
        for one in records
    ]
    page = write_page(tmp_path / "machine", failed, list(collect_evidence(failed))).read_text()
    assert "No run has finished here" in page
    assert "diverged: &lt;b&gt;inf&lt;/b&gt;" in page
    assert "<figure>" not in page


def test_no_record_that_can_be_read_makes_a_page_that_says_so(tmp_path):
    page = write_page(tmp_path / "machine", [], []).read_text()
    assert "No run has finished here" in page
    links, names = (set(re.findall(what + '(.*?)"', page)) for what in ('href="#', ' id="'))
    assert links <= names


def test_a_store_without_a_record_is_one_line(tmp_path, capsys):
    (tmp_path / "machine" / "runs").mkdir(parents=True)
    assert main(["report", "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no records under")
    assert error.count("\n") == 1


@pytest.mark.slow
def test_names_from_outside_are_shown_and_never_obeyed(root, tmp_path):
    records, _ = RunStore(root).load()
    name = '$x^"<script>'
    renamed = [
        replace(one, run=dataclasses.replace(one.run, task=Plugin("mine", {"name": name})))
        for one in records
    ]
    page = write_page(tmp_path / "machine", renamed, list(collect_evidence(renamed))).read_text()
    assert page.count("<script") == 1
    assert "mine(<wbr>name=$x^&#34;&lt;script&gt;)" in page
