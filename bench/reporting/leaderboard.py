"""The leaderboard: the most accurate rows of each task, over the machines of all evidence."""

from collections.abc import Iterator
from pathlib import Path

from bench.records.run_store import RunStore
from bench.reporting import formats
from bench.reporting.comparisons import FEW_SEEDS, find_ties
from bench.reporting.findings.evidence import Evidence, Row, collect_evidence
from bench.reporting.formats import Column

SHOWN = 10  # rows of a task, and all that are not told from its best
TIE = "≈ 1"
COLUMNS = [
    Column("rank", "rank", formats.word),
    Column("row", "row", formats.word),
    Column("seeds", "seeds", formats.whole),
    Column("MSE x 1e3", "mse_test", formats.thousandths),
    Column("OOD MSE x 1e3", "mse_ood", formats.thousandths),
    Column("E'", "expected_error_test", formats.spread),
    Column("params", "parameters", formats.whole),
]
PREFACE = (
    "# Leaderboard\n\n"
    "The most accurate rows of each task, from the records in [results/published]"
    "(../results/published): `python -m bench publish` adds to them and writes this page anew.\n"
    "Errors are means ± standard deviations over seeds, from whatever machine; times are of one "
    "machine each, in its tables. A rank of 1 is the smallest mean;\n≈ 1 is not told from it by a "
    "paired t-test on log-errors (97.5 %, Bonferroni over the rows). Trivial predictors are left "
    "out.\n"
)


def write_page(published: Path) -> str:
    """Return the page for the records of all machines in a folder."""
    roots = sorted({file.parents[2] for file in published.glob("*/runs/*/*.json")})
    records = [record for root in roots for record in RunStore(root).load()[0]]
    tables = map(_table, collect_evidence(records))
    return "\n".join([PREFACE, *filter(None, tables)])


def _table(evidence: Evidence) -> str:
    rows = [*_rank(evidence)]
    if not rows:
        return ""
    columns = [column for column in COLUMNS if any(column.name in row for row in rows)]
    few = sorted({row["seeds"] for row in rows if row["seeds"] < FEW_SEEDS})
    notes = [f"{evidence.usual_steps:,} steps where no number is named"]
    notes += [f"{', '.join(map(str, few))} seeds of a row are a hint, no result"] if few else []
    table = formats.fill_table(evidence.task, columns, rows, notes)
    return formats.format_tables([table])["md"].rstrip("\n") + "\n"


def _rank(evidence: Evidence) -> Iterator[Row]:
    """Yield the rows by their error, with their rank."""
    scored = [r for r in evidence.rows if not r["trivial"] and r["mse_test"] == r["mse_test"]]
    scored.sort(key=lambda row: row["mse_test"])
    ties = find_ties({row["key"]: evidence.errors(row, "mse_test") for row in scored})
    for place, row in enumerate(scored, 1):
        tied = place > 1 and row["key"] in ties
        if tied or place <= SHOWN:
            yield row | {"rank": TIE if tied else str(place), "row": evidence.name(row)}
