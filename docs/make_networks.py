"""Writes the table of costs in networks.md, of the times that `check --update` took.

`python docs/make_networks.py` from the checkout; a test compares what it makes with what is there.
"""

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "networks.md"
REFERENCE = ROOT / "results" / "published" / "reference.json"
BLOCK = re.compile(r"(<!-- costs: docs/make_networks\.py -->\n).*?(<!-- /costs -->)", re.DOTALL)
TIMES = ("train_step", "inference")


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(fill(PAGE.read_text()))


def fill(page: str) -> str:
    """Return the page with the table that the reference gives."""
    text = "\n".join(costs(json.loads(REFERENCE.read_text())["cells"]))
    return BLOCK.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


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


if __name__ == "__main__":
    main()
