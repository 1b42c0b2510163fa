"""Which rows and columns of a table are shown, and in which order."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from bench.reporting import formats
from bench.reporting.formats import Table

NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Choice:
    """Headings of the columns shown, one to sort by (-heading: largest first), heading=glob."""

    columns: Sequence[str] = ()
    sort: str | None = None
    rows: Sequence[str] = ()

    def __bool__(self) -> bool:
        """Return whether anything is chosen."""
        return bool(self.columns or self.sort or self.rows)


ALL = Choice()


def choose(table: Table, choice: Choice = ALL) -> Table:
    """Return the table with the rows and columns chosen, without spare ones where none are.

    Raises `ValueError` for an unknown heading.
    """
    cells = table.cells
    for condition in choice.rows:
        heading, equals, glob = condition.partition("=")
        if not equals:
            raise ValueError(f"--rows takes HEADING=GLOB, got {condition!r}")
        place = find_heading(table, heading)
        cells = [row for row in cells if fnmatchcase(row[place], glob)]
    if choice.sort:
        down = choice.sort.startswith("-")
        place = find_heading(table, choice.sort.removeprefix("-"))
        cells = sorted(cells, key=lambda row: _as_number(row[place]), reverse=down)
        cells = sorted(cells, key=lambda row: _rank(row[place]))
    places = [i for i, heading in enumerate(table.headings) if heading not in formats.SPARE]
    if choice.columns:  # what a row is of comes first
        chosen = [find_heading(table, name) for name in choice.columns]
        places = list(dict.fromkeys([0, 1, *chosen]))
    headings = [table.headings[place] for place in places]
    return replace(table, headings=headings, cells=[[row[i] for i in places] for row in cells])


def choose_among(tables: Sequence[Table], choice: Choice) -> list[Table]:
    """Return what is chosen of each table that has its headings.

    Raises `ValueError` if none has them, or no row meets the conditions.
    """
    shown, problems = [], []
    for table in tables:
        try:
            shown.append(choose(table, choice))
        except ValueError as error:
            problems.append(error)
    if problems and not shown:
        raise problems[0]
    filled = [table for table in shown if table.cells]
    if choice.rows and not filled:
        raise ValueError(f"no row has {' and '.join(choice.rows)}")
    return filled


def find_heading(table: Table, name: str) -> int:
    """Return the place of a column by its heading, in any case."""
    headings = [heading.lower() for heading in table.headings]
    if name.lower() in headings:
        return headings.index(name.lower())
    near = get_close_matches(name.lower(), headings, 1)
    hint = f"did you mean {table.headings[headings.index(near[0])]!r}?" if near else ""
    there = hint or f"there are {', '.join(dict.fromkeys(table.headings))}"
    raise ValueError(f"no column {name!r} in {table.title}; {there}")


def write_tables(tables: Iterable[Table], form: str) -> str:
    """Return tables as they are shown in a form, CSV with what the cells say."""
    if form != "csv":
        return formats.format_tables(tables)[form].rstrip("\n")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for table in tables:
        rows = [["table", *table.headings], *([table.title, *row] for row in table.cells)]
        writer.writerows([formats.csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue().rstrip("\n")


def _as_number(text: str) -> tuple[float, str]:
    """Return the number that a cell begins with, if any, and its text."""
    number = NUMBER.match(text)
    return (float(number[0].replace(",", "")) if number else 0.0), text


def _rank(text: str) -> int:
    """Return 0 for numbers, 1 for other texts, 2 for what is absent: they come in this order."""
    return 2 if text == formats.ABSENT else int(not NUMBER.match(text))
