"""Tables as text, Markdown and LaTeX: columns that know how to write their numbers."""

import csv
import io
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path
from typing import Any

from bench.system.plain import one_line

Row = Mapping[str, Any]
Write = Callable[[Path, str], object]  # of a file and its text: at once, or later
SUFFIXES = {"md": "md", "csv": "csv", "latex": "tex"}  # of the files of a table
ABSENT = "–"
SMALL = 1e-3
RATES = ("step samples/s", "infer samples/s")
TAILS = {  # headings of scores
    f"{short} {word}": f"{kind}_{statistic}_test"
    for short, kind in (("E'", "expected_error"), ("rel. error", "equivariance_error"))
    for word, statistic in (("p95", "p95"), ("largest", "max"))
}
TAILS |= {
    "median SE": "squared_error_median_test",
    "OOD median SE": "squared_error_median_ood",
    "largest SE": "squared_error_max_test",
}
SPARE = (*RATES, *TAILS)  # columns that are shown where they are asked for
LATEX = {"±": r"$\pm$", "–": "--", "x 1e3": r"$\times 10^3$"}
LATEX |= {letter: rf"\{letter}" for letter in "_%&#{}$"}
LATEX |= {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
IN_LATEX = re.compile("|".join(map(re.escape, LATEX)))
IN_MARKDOWN = re.compile(  # an underscore within a word stays one, brackets are no link alone
    r"[\\`*<|$~]|(?<![^\W_])_|_(?![^\W_])|\](?=\()"
)
FORMULA = ("=", "+", "-", "@")  # how a cell begins that a spreadsheet would compute
DISTURBED = (  # as bench.timing.samples judges it
    "C: disturbed while timed (spread, drift or time off the processor of 20 % or more, a median "
    "50 % above the best, a GPU's clock 10 % apart or throttled)"
)


@dataclass(frozen=True)
class Column:
    """A heading, the name of the value and how it is written."""

    heading: str
    name: str
    write: Callable[[Row, str], str]


@dataclass(frozen=True)
class Table:
    """What a table says, in no form yet."""

    title: str
    headings: list[str]
    cells: list[list[str]]
    notes: list[str]


def word(row: Row, name: str) -> str:
    """Return the string as it is."""
    return row[name] if isinstance(row[name], str) else ABSENT


def whole(row: Row, name: str) -> str:
    """Return the count with its thousands apart."""
    return ABSENT if _is_absent(row.get(name)) else f"{int(row[name]):,}"


def number(row: Row, name: str) -> str:
    """Return three significant digits; a trailing C marks a disturbed timing."""
    if _is_absent(row.get(name)):
        return ABSENT
    disturbed = row.get(name.replace("_ms", "_quality")) == "C"
    return plain(row[name], 3) + " C" * disturbed


def in_units(unit: float) -> Callable[[Row, str], str]:
    """Return what writes three significant digits of a value as a multiple of the unit."""

    def write(row: Row, name: str) -> str:
        return ABSENT if _is_absent(row.get(name)) else plain(row[name] / unit, 3)

    return write


def plain(value: float, digits: int) -> str:
    """Return so many significant digits, without an exponent for large numbers."""
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def per_second(row: Row, name: str) -> str:
    """Return samples per second from milliseconds for a batch."""
    if _is_absent(row.get(name)):
        return ABSENT
    return plain(1e3 * row["batch_size"] / row[name], 3) + " C" * number(row, name).endswith("C")


def ratio(row: Row, name: str) -> str:
    """Return two significant digits."""
    return ABSENT if _is_absent(row.get(name)) else plain(row[name], 2)


def spread(row: Row, name: str, scale: float = 1.0) -> str:
    """Return mean ± standard deviation, with the digits of three significant ones of the mean."""
    if _is_absent(row.get(name)):
        return ABSENT
    mean, deviation = scale * row[name], scale * row[f"{name}_std"]
    tail = "" if _is_absent(deviation) else " ± {}"
    if 0 < abs(mean) < SMALL:
        return f"{mean:.1e}" + tail.format(f"{deviation:.0e}")
    digits = max(0, 2 - floor(log10(abs(mean)))) if mean else 0
    return f"{mean:.{digits}f}" + tail.format(f"{deviation:.{digits}f}")


def thousandths(row: Row, name: str) -> str:
    """Return `spread` in units of 1e-3, the status where no run is finished."""
    return spread(row, name, 1e3) if row.get("seeds") != 0 else row["status"]


def fill_table(
    title: str, columns: Sequence[Column], rows: Iterable[Row], notes: list[str]
) -> Table:
    """Return the table of these rows, a cell for each column, each text one line."""
    cells = [[one_line(column.write(row, column.name)) for column in columns] for row in rows]
    headings = [one_line(column.heading) for column in columns]
    return Table(one_line(title), headings, cells, [*map(one_line, notes)])


def format_tables(tables: Iterable[Table]) -> dict[str, str]:
    """Return the tables one below the other as text, Markdown and LaTeX."""
    return {form: "\n".join(map(write, tables)) for form, write in FORMS.items()}


def is_disturbed(row: Row, kinds: Iterable[str]) -> bool:
    """Return whether one of the row's timings is of quality C."""
    return any(row.get(f"{kind}_quality") == "C" for kind in kinds)


def format_csv(rows: Sequence[Row], names: Iterable[str]) -> str:
    """Return the rows as CSV: these columns, as they are."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def csv_cell(value: Any) -> Any:  # noqa: ANN401 - any value
    """Return the value as it is; a text in one line, and so that no spreadsheet computes it."""
    if not isinstance(value, str):
        return value
    return "'" * value.startswith(FORMULA) + one_line(value)


def in_markdown(text: str) -> str:
    """Return the text so that Markdown shows it as it is, in a row of a table too."""
    return IN_MARKDOWN.sub(r"\\\g<0>", one_line(text))


def in_latex(text: str) -> str:
    """Return the text so that LaTeX sets it as it is."""
    return IN_LATEX.sub(lambda found: LATEX[found[0]], text)


def _is_absent(value: Any) -> bool:  # noqa: ANN401 - None, NaN or a number
    return value is None or value != value


def _markdown(table: Table) -> str:
    rule = ["---", "---", *["---:"] * (len(table.headings) - 2)]
    headings, *cells = [[*map(in_markdown, row)] for row in (table.headings, *table.cells)]
    lines = ["| " + " | ".join(row) + " |" for row in (headings, rule, *cells)]
    notes = [f"- {in_markdown(note)}" for note in table.notes]
    return "\n".join([f"**{in_markdown(table.title)}**", "", *lines, "", *notes, ""])


def _latex(table: Table) -> str:
    def line(row: list[str]) -> str:
        return " & ".join(map(in_latex, row)) + r" \\"

    lines = [
        *[f"% {comment}" for comment in (table.title, *table.notes)],
        rf"\begin{{tabular}}{{ll{'r' * (len(table.headings) - 2)}}}",
        r"\toprule",
        line(table.headings),
        r"\midrule",
        *map(line, table.cells),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _text(table: Table) -> str:
    """Aligned columns, in as many blocks as the terminal is too narrow for, names in each."""
    rows = [table.headings, *table.cells]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = shutil.get_terminal_size((180, 24)).columns
    blocks = [_lines(block, widths, rows) for block in _blocks(widths, room)]
    return "\n\n".join([table.title, *blocks, "\n".join(table.notes)]) + "\n"


def _blocks(widths: list[int], room: int) -> list[list[int]]:
    blocks: list[list[int]] = [[0, 1]]
    for column in range(2, len(widths)):
        wide = sum(widths[i] + 2 for i in (*blocks[-1], column)) - 2
        if wide > room and len(blocks[-1]) > 2:
            blocks.append([0, 1])
        blocks[-1].append(column)
    return blocks


def _lines(block: list[int], widths: list[int], rows: list[list[str]]) -> str:
    rule = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(row[i].ljust(widths[i]) if i < 2 else row[i].rjust(widths[i]) for i in block)
        for row in (rows[0], rule, *rows[1:])
    )


FORMS = {"text": _text, "md": _markdown, "latex": _latex}
