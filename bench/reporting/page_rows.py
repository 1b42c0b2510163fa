"""Rows of the page's tables: cells that link, families to filter by, what is best, what beaten."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bench.reporting import formats
from bench.reporting.aggregate import AND, is_exact, keep_current, splits
from bench.reporting.comparisons import find_front, find_ties
from bench.reporting.figures.style import bare, network_colour
from bench.reporting.findings import Evidence

MSE = "MSE x 1e3"
HINTS = {
    "x step": "above 1 is faster",
    "x infer": "above 1 is faster",
    "infer x unit": "above 1 is slower",
    "step x unit": "above 1 is slower",
    "augment x unit": "above 1 is slower",
    "remul x unit": "above 1 is slower",
    "x faster, inference": "above 1 ours is faster",
    "x faster, training": "above 1 ours is faster",
    MSE: "smaller is better",
    f"OOD {MSE}": "smaller is better",
    "E'": "0 is exact",
}
WIDE = {  # columns that a screen of a phone leaves out at first
    "steps", "seeds", "rel. error", "x step", "params", "MFLOP", "published",
    "mode", "GFLOP", "step MB", "augment ms", "augment x unit", "remul ms", "remul x unit",
    "our model", "their params", "our params", "their MFLOP", "our MFLOP", "their MB", "our MB",
}  # fmt: skip
WORDS = {"model", "method", "mode", "published", "peer", "job", "our model", "nodes x batch"}
SPARE = {  # columns that are to be asked for
    "rel. error", "MFLOP", "GFLOP", "first call s", "break-even", "step mJ", "of peak",
    "their params", "our params", "their MFLOP", "our MFLOP", *formats.SPARE,
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A text, where it leads to, and whether it is the best of its column or not told from it."""

    text: str
    href: str = ""
    best: bool = False


@dataclass(frozen=True)
class PageRow:
    """Cells, what filters know of them, the colour of their family; whether a row beats it."""

    cells: list[Cell]
    filters: Mapping[str, str]
    colour: str = ""
    beaten: bool = False

    @property
    def first_link(self) -> Cell | None:
        """Return the first cell that leads somewhere: the one that a keyboard stops at."""
        return next((cell for cell in self.cells if cell.href), None)


@dataclass(frozen=True)
class PageTable:
    """A table as the page shows it: `levels` says of each column on which screens it is shown."""

    title: str
    headings: list[str]
    rows: list[PageRow]
    notes: list[str]
    legend: Mapping[str, str] = field(default_factory=dict)

    @property
    def levels(self) -> list[int]:
        """Return 1 for columns of every screen, 2 of wide ones, 3 of none until asked for."""
        return [3 if h in SPARE else 2 if h in WIDE else 1 for h in self.headings]

    @property
    def has_front(self) -> bool:
        """Return whether rows are marked as best and as beaten."""
        return any(row.beaten for row in self.rows)

    @property
    def words(self) -> list[bool]:
        """Return which columns hold words, and are sorted and set as such."""
        return [heading in WORDS for heading in self.headings]

    @property
    def hints(self) -> list[str]:
        """Return which direction is the good one, where a heading does not say so."""
        return [HINTS.get(heading, "") for heading in self.headings]

    @property
    def filters(self) -> list[str]:
        """Return the names of what rows are filtered by."""
        return list(self.rows[0].filters) if self.rows else []


def runs_rows(
    table: formats.Table, rows: pd.DataFrame, ties: Mapping[str, set[str]], beaten: set[str]
) -> list[PageRow]:
    """Return the rows of a task's table; errors and times link to their records.

    `ties` holds for each heading the keys of the best rows, `beaten` those of rows that one beats.
    """
    order = rows["mse_test"].rank(na_option="bottom", method="first").tolist()
    shown = [
        PageRow(
            [
                Cell(
                    text,
                    href=f"#k-{row['key']}" if _is_measured(heading, text) and row["key"] else "",
                    best=row["key"] in ties.get(heading, ()),
                )
                for heading, text in zip(table.headings, cells, strict=True)
            ],
            {"family": family(row), "method": bare(row["method"].partition(AND)[0])},
            _colour(row),
            row["key"] in beaten,
        )
        for cells, row in zip(
            table.cells, rows.astype(object).where(rows.notna(), "").to_dict("records"), strict=True
        )
    ]
    return [row for _, row in sorted(zip(order, shown, strict=True), key=lambda pair: pair[0])]


def mark_best(evidence: Evidence, rows: pd.DataFrame) -> tuple[dict[str, set[str]], set[str]]:
    """Return for each heading of errors the keys of the best rows, and the keys of beaten rows.

    Best are the smallest and those a paired test does not tell from it; beaten is a row than which
    another is as accurate, as nearly equivariant and as fast, and better in one of these. What no
    row has is left out, and a row that lacks a number is not beaten.
    """
    real = keep_current(rows[rows["key"].notna() & (rows["seeds"] > 0)])
    real = real[~real["trivial"].eq(True)]
    shown = real.to_dict("records")
    ties = {}
    for split in splits(evidence.data):
        errors = {row["key"]: evidence.errors(row, f"mse_{split}") for row in shown}
        ties[_heading(split)] = set(find_ties(errors))
    costs, symmetry = real.set_index("key"), "expected_error_test"
    costs[symmetry] = costs[symmetry].mask(is_exact(costs), 0.0)
    costs = costs.dropna(axis="columns", how="all")
    error = "mse_ood" if "mse_ood" in costs else "mse_test"
    costs = costs[[n for n in (error, symmetry, "inference_ms") if n in costs]].astype(float)
    marks = find_front(costs.values.tolist(), [*costs])
    return ties, {*costs[costs.notna().all(axis=1) & ~np.array(marks, dtype=bool)].index}


def _heading(split: str) -> str:
    return MSE if split == "test" else f"{split.upper()} {MSE}"


def plain_rows(
    table: formats.Table,
    rows: list[dict[str, Any]],
    filters: Callable[[dict[str, Any]], dict[str, str]],
    href: Callable[[dict[str, Any]], str],
) -> list[PageRow]:
    """Return the rows of a table of times, each linked to what `href` says."""
    return [
        PageRow(
            [
                Cell(text, href(row) if _is_measured(heading, text) else "")
                for heading, text in zip(table.headings, cells, strict=True)
            ],
            filters(row),
            network_colour(bare(row["model"]), row["equivariant"]) if "equivariant" in row else "",
        )
        for cells, row in zip(table.cells, rows, strict=True)
    ]


def family(row: Mapping[str, Any]) -> str:
    """Return what a reader filters by: exactly equivariant networks, or one of the others."""
    exact = "trivial" if row["trivial"] else "exactly equivariant"
    own = exact if row["equivariant"] else row["network"]
    return own if row["key"] else "published only"


def _colour(row: Mapping[str, Any]) -> str:
    if not row["key"]:
        return ""
    return network_colour(row["network"], bool(row["equivariant"]), bool(row["trivial"]))


def _is_measured(heading: str, text: str) -> bool:
    wanted = ("MSE", "E'", " ms", "theirs", "ours")
    return text != formats.ABSENT and any(word in heading for word in wanted)
