"""Findings as lines for a terminal."""

from collections.abc import Iterable
from itertools import groupby

from bench.reporting.findings.evidence import UNDECIDED, Finding

INDENT = "  "


def format_findings(findings: Iterable[Finding]) -> str:
    """Return the questions with their verdicts, the sentences, and what would settle what is open.

    "" without any.
    """
    blocks = []
    for task, own in groupby(findings, key=lambda finding: finding.task):
        blocks.append("\n".join([task, *[line for finding in own for line in _lines(finding)]]))
    return "\n\n".join(blocks)


def _lines(finding: Finding) -> list[str]:
    settles = finding.settles if finding.verdict == UNDECIDED else ""
    return [
        f"{INDENT}{finding.question} {finding.verdict.upper()}",
        f"{2 * INDENT}{finding.sentence}",
        *([f"{2 * INDENT}to settle it: {settles}"] if settles else []),
    ]
