"""Tables as text, Markdown, HTML and LaTeX: columns that know how to write their numbers."""

import csv
import io
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from typing import Any

Row = Mapping[str, Any]
SUFFIXES = {"md": "md", "csv": "csv", "latex": "tex"}  # of the files of a table
ABSENT = "–"
SMALL = 1e-3
LATEX = {"±": r"$\pm$", "–": "--", "x 1e3": r"$\times 10^3$"}
LATEX |= {letter: rf"\{letter}" for letter in "_%&#{}"}


@dataclass(frozen=True)
class Column:
    """A heading, the name of the value and how it is written."""

    heading: str
    name: str
    write: Callable[[Row, str], str]


def word(row: Row, name: str) -> str:
    """A string as it is."""
    return row[name] if isinstance(row[name], str) else ABSENT


def whole(row: Row, name: str) -> str:
    """A count with its thousands apart."""
    return ABSENT if _absent(row.get(name)) else f"{int(row[name]):,}"


def number(row: Row, name: str) -> str:
    """Three significant digits; a trailing C marks a disturbed timing."""
    if _absent(row.get(name)):
        return ABSENT
    disturbed = row.get(name.replace("_ms", "_quality")) == "C"
    return f"{row[name]:.3g}" + " C" * disturbed


def in_units(unit: float) -> Callable[[Row, str], str]:
    """Three significant digits of a value as a multiple of the unit."""

    def write(row: Row, name: str) -> str:
        return ABSENT if _absent(row.get(name)) else plain(row[name] / unit, 3)

    return write


def plain(value: float, digits: int) -> str:
    """So many significant digits, without an exponent for large numbers."""
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def ratio(row: Row, name: str) -> str:
    """Two significant digits."""
    return ABSENT if _absent(row.get(name)) else plain(row[name], 2)


def spread(row: Row, name: str, scale: float = 1.0) -> str:
    """Mean ± standard deviation, with the digits of three significant ones of the mean."""
    if _absent(row.get(name)):
        return ABSENT
    mean, deviation = scale * row[name], scale * row[f"{name}_std"]
    tail = "" if _absent(deviation) else " ± {}"
    if 0 < abs(mean) < SMALL:
        return f"{mean:.1e}" + tail.format(f"{deviation:.0e}")
    digits = max(0, 2 - floor(log10(abs(mean)))) if mean else 0
    return f"{mean:.{digits}f}" + tail.format(f"{deviation:.{digits}f}")


def thousandths(row: Row, name: str) -> str:
    """`spread` in units of 1e-3; the status of a cell that has no finished run."""
    return spread(row, name, 1e3) if row.get("seeds") != 0 else row["status"]


def table(
    form: str, title: str, columns: Sequence[Column], rows: Iterable[Row], notes: list[str]
) -> str:
    """The rows as a titled table in one of the forms, notes below."""
    cells = [[column.write(row, column.name) for column in columns] for row in rows]
    headings = [column.heading for column in columns]
    write = {"text": _text, "md": _markdown, "html": _html, "latex": _latex}[form]
    return write(title, headings, cells, notes)


def comma_separated(rows: Sequence[Row], names: Iterable[str]) -> str:
    """The rows as CSV: these columns, as they are."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _absent(value: Any) -> bool:  # noqa: ANN401 - None, NaN or a number
    return value is None or value != value


def _markdown(title: str, headings: list[str], cells: list[list[str]], notes: list[str]) -> str:
    rule = ["---", "---", *["---:"] * (len(headings) - 2)]
    lines = ["| " + " | ".join(row) + " |" for row in (headings, rule, *cells)]
    return "\n".join([f"**{title}**", "", *lines, "", *[f"- {note}" for note in notes], ""])


def _html(title: str, headings: list[str], cells: list[list[str]], notes: list[str]) -> str:
    def line(row: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in row) + "</tr>"

    lines = [
        f"<h2>{escape(title)}</h2>",
        f'<div class="wide"><table><thead>{line(headings, "th")}</thead><tbody>',
        *[line(row, "td") for row in cells],
        "</tbody></table></div>",
        f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>',
    ]
    return "\n".join(lines) + "\n"


def _latex(title: str, headings: list[str], cells: list[list[str]], notes: list[str]) -> str:
    def line(row: list[str]) -> str:
        return " & ".join(map(_escaped, row)) + r" \\"

    lines = [
        *[f"% {comment}" for comment in (title, *notes)],
        rf"\begin{{tabular}}{{ll{'r' * (len(headings) - 2)}}}",
        r"\toprule",
        line(headings),
        r"\midrule",
        *map(line, cells),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    for old, new in LATEX.items():
        text = text.replace(old, new)
    return text


def _text(title: str, headings: list[str], cells: list[list[str]], notes: list[str]) -> str:
    """Aligned columns, in as many blocks as the terminal is too narrow for, names in each."""
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    room = shutil.get_terminal_size((180, 24)).columns
    blocks = [_lines(block, widths, headings, cells) for block in _blocks(widths, room)]
    return "\n\n".join([title, *blocks, "\n".join(notes)]) + "\n"


def _blocks(widths: list[int], room: int) -> list[list[int]]:
    blocks: list[list[int]] = [[0, 1]]
    for column in range(2, len(widths)):
        wide = sum(widths[i] + 2 for i in (*blocks[-1], column)) - 2
        if wide > room and len(blocks[-1]) > 2:
            blocks.append([0, 1])
        blocks[-1].append(column)
    return blocks


def _lines(block: list[int], widths: list[int], headings: list[str], cells: list[list[str]]) -> str:
    rule = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(row[i].ljust(widths[i]) if i < 2 else row[i].rjust(widths[i]) for i in block)
        for row in (headings, rule, *cells)
    )
