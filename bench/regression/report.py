"""What a comparison says: verdicts, and the report of them in Markdown and JUnit XML."""

from dataclasses import dataclass
from xml.etree import ElementTree

from bench.regression.verdicts import (
    GONE,
    IMPROVED,
    INCOMPARABLE,
    INCONCLUSIVE,
    REGRESSED,
    SAME,
    Comparison,
)
from bench.reporting.formats import in_markdown

ORDER = (REGRESSED, IMPROVED, GONE, INCONCLUSIVE, INCOMPARABLE, SAME)
UNDECIDED = (GONE, INCONCLUSIVE, INCOMPARABLE)


@dataclass(frozen=True)
class Verdict:
    """The verdict on one measure of one case, and why."""

    case: str
    measure: str
    verdict: str
    comparison: Comparison | None = None
    why: str = ""


def markdown(verdicts: list[Verdict], differences: list[str], notes: list[str]) -> str:
    """Return the report, fit for a pull request: differences, what changed, then the rest."""
    counts = {word: sum(row.verdict == word for row in verdicts) for word in ORDER}
    summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    lines = [f"**Speed: {summary or 'nothing to compare'}**", ""]
    lines += [f"- differs: {in_markdown(line)}" for line in differences]
    lines += [f"- {in_markdown(line)}" for line in notes]
    told = [row for row in verdicts if row.verdict != SAME]
    same = [row for row in verdicts if row.verdict == SAME]
    for rows, title in ((told, None), (same, "same")):
        if rows:
            lines += [*_open_details(title), *_table(rows), *(["", "</details>"] if title else [])]
    return "\n".join(lines) + "\n"


def _open_details(title: str | None) -> list[str]:
    return ["", f"<details><summary>{title}</summary>", ""] if title else [""]


def _table(verdicts: list[Verdict]) -> list[str]:
    lines = ["| cell | measure | verdict | new / base | 99 % interval | pairs | why |",
             "| --- | --- | --- | ---: | ---: | ---: | --- |"]  # fmt: skip
    for row in sorted(verdicts, key=lambda row: (ORDER.index(row.verdict), row.case, row.measure)):
        c = row.comparison
        numbers = (
            (f"{c.ratio:.3f}", f"{c.low:.3f} to {c.high:.3f}", f"{c.pairs}") if c else ("",) * 3
        )
        cells = (row.case, row.measure, row.verdict, *numbers, _strip_controls(row.why))
        lines.append("| " + " | ".join(map(in_markdown, cells)) + " |")
    return lines


def junit(verdicts: list[Verdict]) -> str:
    """Return the verdicts as JUnit XML: a regression fails, what has no verdict is skipped."""
    regressed = sum(row.verdict == REGRESSED for row in verdicts)
    skipped = sum(row.verdict in UNDECIDED for row in verdicts)
    counts = {"tests": str(len(verdicts)), "failures": str(regressed), "skipped": str(skipped)}
    suite = ElementTree.Element("testsuite", name="speed", errors="0", **counts)
    for row in verdicts:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_strip_controls(row.case), name=row.measure
        )
        if row.verdict == REGRESSED:
            ElementTree.SubElement(case, "failure", message=_message(row))
        elif row.verdict in UNDECIDED:
            ElementTree.SubElement(case, "skipped", message=_message(row))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _message(row: Verdict) -> str:
    ratio = f"{row.comparison.ratio:.3f} times the base" if row.comparison else ""
    return ": ".join(filter(None, (row.verdict, ratio, _strip_controls(row.why))))


def _strip_controls(text: str) -> str:
    """Return the text without what a terminal alone understands, and no XML."""
    return "".join(letter for letter in text if letter.isprintable())
