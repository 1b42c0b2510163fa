"""The table of costs in networks.md, of the times that `check --update` took."""

import json
from statistics import median
from typing import Any

from pages.published import PUBLISHED, fill_block

REFERENCE = PUBLISHED / "reference.json"
TIMES = ("train_step", "inference")


def fill(page: str) -> str:
    """Return the page with the table that the reference gives."""
    return fill_block(page, "costs", costs(json.loads(REFERENCE.read_text())["cells"]))


def costs(cells: list[dict[str, Any]]) -> list[str]:
    """Return the table of weights and times, which are over those of the first network."""
    cell, unit = cells[0]["cell"], cells[0]["cell"]["model"]["name"]
    rows = sorted(cells, key=lambda cell: median(cell["timings"][TIMES[0]]["ratios"]))
    lines = ["| network | weights | training step | inference |", "| --- | ---: | ---: | ---: |"]
    for row in rows:
        ratios = [f"{median(row['timings'][kind]['ratios']):.2f}" for kind in TIMES]
        name, weights = row["cell"]["model"]["name"], row["counters"]["parameters"]
        lines.append(f"| {name} | {weights:,} | {' | '.join(ratios)} |")
    where = f"{cell['nodes']} objects x {cell['batch']}, on one core of an {row['machine']['name']}"
    return [*lines, "", f"Default sizes, over `{unit}`, {where}, all in turn in one session."]
