"""What a claim of the abstract comes to on one task."""

from dataclasses import dataclass

from bench.reporting.findings.evidence import Number

CONFIRMED, REFUTED, OPEN = "confirmed", "refuted", "undecided"


@dataclass(frozen=True)
class Claim:
    """A claim of the abstract, the verdict on one task, the sentence that bears it out, and rows.

    A claim of the paper's own scale is confirmed or refuted by records of that scale alone.
    """

    claim: str
    task: str
    verdict: str
    sentence: str
    rows: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    settles: str = ""
