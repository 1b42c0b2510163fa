"""The answer: findings for each task and verdicts on the paper's claims, from records alone."""

from collections.abc import Iterable, Iterator

from bench.reporting.aggregate import TIMED
from bench.reporting.findings.accuracy import compare_backbones, compare_compute, find_best_exact
from bench.reporting.findings.claim import CONFIRMED, OPEN, REFUTED, Claim
from bench.reporting.findings.claims import claims
from bench.reporting.findings.evidence import (
    NO,
    UNDECIDED,
    YES,
    Evidence,
    Finding,
    Number,
    collect_evidence,
)
from bench.reporting.findings.lead import NOT_ANSWERED, lead
from bench.reporting.findings.speed import find_speed_up, measure_symmetry
from bench.reporting.findings.text import format_findings

__all__ = [
    "CONFIRMED",
    "NO",
    "NOT_ANSWERED",
    "OPEN",
    "REFUTED",
    "UNDECIDED",
    "YES",
    "Claim",
    "Evidence",
    "Finding",
    "Number",
    "claims",
    "collect_evidence",
    "find",
    "format_findings",
    "lead",
]


def find(evidences: Iterable[Evidence]) -> list[Finding]:
    """Return what the evidence of each task answers."""
    return [finding for evidence in evidences for finding in _answer(evidence)]


def _answer(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.rows:
        return
    yield find_best_exact(evidence)
    for split in evidence.splits:
        yield compare_backbones(evidence, split)
    for kind in reversed(TIMED):
        if finding := find_speed_up(evidence, kind):
            yield finding
    if finding := measure_symmetry(evidence):
        yield finding
    yield from compare_compute(evidence)
