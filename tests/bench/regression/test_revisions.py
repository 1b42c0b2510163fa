"""Two revisions in turn: what is told while they are timed, and how a pull request asks for it."""

import re

from bench.cli import parser
from bench.core.cases import SpeedCase
from bench.core.config import Plugin
from bench.regression.report import Verdict
from bench.regression.revisions import RevisionComparison
from bench.system.checkout import ROOT
from bench.system.progress import telling

CASES = [SpeedCase(Plugin("egnn")), SpeedCase(Plugin("gnn"))]


def test_each_case_is_told_on_stderr(monkeypatch, capsys):
    lost = Verdict("case", "counters", "incomparable")
    monkeypatch.setattr(RevisionComparison, "confirm", lambda *_: ({}, lost))
    with telling() as tell:
        RevisionComparison((ROOT, ROOT), "cpu", 0.0, 20).judge(CASES, 60.0, tell)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == [str(case) for case in CASES]


def test_the_workflow_of_the_docs_asks_for_what_there_is():
    block = (ROOT / "docs" / "speed.md").read_text().partition("```yaml")[2].partition("```")[0]
    commands = re.findall(r"python -m bench ([^>\n]+)", block)
    names = [parser().parse_args(command.split()).command.__module__ for command in commands]
    assert names == ["bench.commands.calibrate", "bench.commands.compare"]
