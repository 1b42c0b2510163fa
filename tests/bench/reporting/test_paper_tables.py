"""The paper's tables: published numbers beside ours, with their label and what differs."""

import csv
import re
import shutil
import subprocess

import pytest
from msgspec.structs import replace

from bench.core import plugins
from bench.core.config import Plugin, Run
from bench.records.run_record import Profiles, blank_record
from bench.reporting.aggregate import frame
from bench.reporting.paper_tables import TABLES, list_rows, write_paper_table
from bench.reporting.runs_table import format_task

PAPER = plugins.load("sweeps", "paper_nbody")
TASKS = {
    number: next(iter(plugins.load("sweeps", table.sweep).runs())).task
    for number, table in TABLES.items()
}
RULES = (r"\toprule", r"\midrule", r"\bottomrule")
KNOWN = re.compile(  # what is written for a letter that LaTeX would obey
    r"\\[_%&#{}$]|\$\\pm\$|\$\\times 10\^3\$"
    r"|\\text(?:backslash|asciicircum|asciitilde|less|greater|bar)\{\}"
)


def made(run, mse=2e-3, **scores):
    return replace(blank_record(run), scores={"mse_test": mse, "mse_val": mse, **scores})


def of_paper(method, seed=0, **changes):
    options = {"task": PAPER.TASK, "model": PAPER.TRANSFORMER, "steps": PAPER.STEPS} | changes
    return Run(method=method, seed=seed, **options)


def entry(records, network, method, number="1"):
    rows = {row[:2]: row[2] for row in list_rows(TABLES[number], records)}
    return rows[network, method][0]


@pytest.mark.parametrize("number", TABLES)
@pytest.mark.parametrize("form", ["text", "md", "csv", "latex"])
def test_each_table_is_there_in_each_form_without_a_record(number, form):
    assert write_paper_table(number, [], form)


def test_published_numbers_stand_beside_ours_with_their_label():
    records = [made(of_paper(Plugin("remul", {"beta": 1.0}), seed)) for seed in range(2)]
    text = write_paper_table("1", records, "md")
    assert "| transformer | remul | 1.94 [B] | 2.00 ± 0.00 (2) |" in text


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ({}, ""),
        ({"model": Plugin("transformer")}, "z"),
        ({"steps": 100}, "t"),
        ({"task": Plugin("nbody_gravity", {"val": 500})}, "d"),
        ({"model": Plugin("transformer", {"channels": 8}), "lr": 1e-2}, "zt"),
    ],
)
def test_marks_say_what_differs_from_the_paper(changes, marks):
    assert (
        entry([made(of_paper(Plugin("plain"), **changes))], "transformer", "plain").differs == marks
    )


@pytest.mark.parametrize("name", ["net", "transformer"])
def test_a_network_whose_file_is_gone_has_its_row(name):
    record = made(of_paper(Plugin("plain")))
    gone = replace(record, run=of_paper(Plugin("plain"), model=Plugin(f"/gone/{name}.py")))
    assert entry([gone], name, "plain").differs == ""


def test_of_several_betas_validation_chooses():
    best, other = (of_paper(Plugin("remul", {"beta": beta})) for beta in (1.0, 10.0))
    records = [made(best, 3e-3, mse_val=1e-3), made(other, 2e-3, mse_val=2e-3)]
    assert entry(records, "transformer", "remul").mean == 3e-3


def test_a_seed_of_two_machines_counts_once():
    record = made(of_paper(Plugin("plain")))
    rows = csv.DictReader(write_paper_table("1", [record, record], "csv").splitlines())
    assert {row["seeds"] for row in rows if row["ours"]} == {"1"}


def test_data_that_stand_in_are_marked():
    run = Run(Plugin("md_gfn2", {"molecule": "aspirin"}), Plugin("gnn"), Plugin("plain"))
    assert "d" in entry([made(run)], "gnn", "plain", "3").differs


def test_errors_about_an_axis_come_from_profiles():
    run = Run(Plugin("mocap", {"subject": "walk"}), Plugin("mlp"), Plugin("plain"))
    axes = {"x": 0.5, "y": 0.25, "z": 0.125}
    record = replace(made(run), profiles=Profiles(expected_error_by_axis=axes))
    assert "| mlp | plain | 0.500 (1) zt | 0.250 (1) zt | 0.125 (1) zt |" in write_paper_table(
        "9", [record], "md"
    )


def check_latex(text):
    """Each environment ends, each row has as many cells as there are columns, nothing is active."""
    tabulars = re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert text.count(r"\begin{") == text.count(r"\end{") == len(tabulars) > 0
    for columns, body in tabulars:
        lines = body.splitlines()
        assert [line for line in lines if line in RULES] == list(RULES)
        for line in (line for line in lines if line not in RULES):
            assert line.endswith(r" \\")
            row = KNOWN.sub("", line.removesuffix(r" \\"))
            assert row.count("&") == len(columns) - 1
            assert not re.search(r"[\\%_#$^~{}]", row)


@pytest.mark.parametrize("number", TABLES)
def test_latex_of_a_table_of_the_paper_is_well_formed(number):
    methods = Plugin("plain"), Plugin("remul", {"beta": 1.0})
    records = [made(of_paper(method, task=TASKS[number], steps=7)) for method in methods]
    check_latex(write_paper_table(number, records, "latex"))


def test_latex_of_a_table_of_runs_is_well_formed():
    names = "100 % of_a #{mess} & \\more$x^2~|<>"
    task = Plugin("nbody_gravity", {"val": names})
    records = [made(of_paper(Plugin("plain"), task=task, model=Plugin("mlp", {"channels": names})))]
    check_latex(format_task(frame(records), names)["latex"])


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX is installed")
def test_latex_compiles(tmp_path):
    tables = "\n\n".join(write_paper_table(number, [], "latex") for number in TABLES)
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    text = "\n".join([head, tables, r"\end{document}"])
    (tmp_path / "t.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
