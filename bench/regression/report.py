"""What a comparison found: verdicts, exit code, and the report in Markdown and JUnit XML."""

from dataclasses import dataclass
from xml.etree import ElementTree

from bench.regression.verdicts import IMPROVED, INCOMPARABLE, INCONCLUSIVE, REGRESSED, SAME, Change

ORDER = (REGRESSED, IMPROVED, INCONCLUSIVE, INCOMPARABLE, SAME)


@dataclass(frozen=True)
class Finding:
    """The verdict on one measure of one cell, and why."""

    cell: str
    measure: str
    verdict: str
    change: Change | None = None
    why: str = ""


def markdown(found: list[Finding], differences: list[str], notes: list[str]) -> str:
    """The report, fit for a pull request: differences first, then what changed, then the rest."""
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in ORDER}
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    lines = [f"**Speed: {said or 'nothing to compare'}**", ""]
    lines += [f"- differs: {line}" for line in differences]
    lines += [f"- {line}" for line in notes]
    told = [one for one in found if one.verdict != SAME]
    same = [one for one in found if one.verdict == SAME]
    for rows, title in ((told, None), (same, "same")):
        if rows:
            lines += [*_opened(title), *_table(rows), *(["", "</details>"] if title else [])]
    return "\n".join(lines) + "\n"


def _opened(title: str | None) -> list[str]:
    return ["", f"<details><summary>{title}</summary>", ""] if title else [""]


def _table(found: list[Finding]) -> list[str]:
    rows = ["| cell | measure | verdict | new / base | 99 % interval | pairs | why |",
            "| --- | --- | --- | ---: | ---: | ---: | --- |"]  # fmt: skip
    for one in sorted(found, key=lambda one: (ORDER.index(one.verdict), one.cell, one.measure)):
        c = one.change
        numbers = (
            (f"{c.ratio:.3f}", f"{c.low:.3f} to {c.high:.3f}", f"{c.pairs}") if c else ("",) * 3
        )
        row = (one.cell, one.measure, one.verdict, *numbers, _plain(one.why).replace("|", "\\|"))
        rows.append("| " + " | ".join(row) + " |")
    return rows


def junit(found: list[Finding]) -> str:
    """The findings as JUnit XML: a regression is a failure, what has no verdict is skipped."""
    regressed = sum(one.verdict == REGRESSED for one in found)
    skipped = sum(one.verdict in (INCONCLUSIVE, INCOMPARABLE) for one in found)
    counts = {"tests": str(len(found)), "failures": str(regressed), "skipped": str(skipped)}
    suite = ElementTree.Element("testsuite", name="speed", errors="0", **counts)
    for one in found:
        case = ElementTree.SubElement(suite, "testcase", classname=one.cell, name=one.measure)
        if one.verdict == REGRESSED:
            ElementTree.SubElement(case, "failure", message=_said(one))
        elif one.verdict in (INCONCLUSIVE, INCOMPARABLE):
            ElementTree.SubElement(case, "skipped", message=_said(one))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _said(one: Finding) -> str:
    change = f"{one.change.ratio:.3f} times the base" if one.change else ""
    return ": ".join(filter(None, (one.verdict, change, _plain(one.why))))


def _plain(text: str) -> str:
    """The text without what a terminal alone understands, and no XML."""
    return "".join(letter for letter in text if letter.isprintable())
