"""What each way to learn a symmetry makes of maps whose symmetry is known, from records alone."""

import pandas as pd

from bench.core.config import Plugin
from bench.records.run_record import RunRecord
from bench.reporting.aggregate import OWN, frame, keep_usual, summary

KINDS = {
    "circulant": "circulant",
    "quarter_turns": "quarter turns (C4)",
    "planar": "plane (SO(2))",
    "unstructured": "none",
    "mixed": "part",
}
TASKS = ("linear_maps", "many_maps")
SYSTEMS = ("plain", "augment", "remul", "evidence", "sharing", "msr")
SCORES = {"equivariance_error_test": "relative error", f"{OWN}of_least_squares": "of least squares"}
SAMPLES = ("train", "support")  # of one map, by the option that says how many


def tabulate_discoveries(records: list[RunRecord]) -> pd.DataFrame:
    """Return a row for each kind of map, number of samples and system, in this order.

    Those are runs of our maps that say both `kind` and how many samples of a map there are.
    """
    chosen = [r for r in records if r.status == "done" and _samples(r.run.task)]
    rows = [pd.DataFrame()]
    for kind, samples in sorted(
        {_case(r) for r in chosen}, key=lambda c: ([*KINDS].index(c[0]), c)
    ):
        own = [record for record in chosen if _case(record) == (kind, samples)]
        table = keep_usual(summary(frame(own)))
        systems = [
            "msr" if network == "msr" else method.partition("(")[0]
            for network, method in zip(table["network"], table["method"], strict=True)
        ]
        table = table.assign(kind=kind, samples=samples, system=systems)
        table = table[table["system"].isin(SYSTEMS)]
        rows.append(table.sort_values("system", key=lambda names: names.map(SYSTEMS.index)))
    columns = ["kind", "samples", "system", "steps", "seeds", "parameters"]
    columns += [name for score in SCORES for name in (score, f"{score}_std")]
    table = pd.concat(rows, ignore_index=True)
    return table if table.empty else table[columns]


def _samples(task: Plugin) -> int | None:
    """Return how many samples of a map there are, of tasks that belong here."""
    options = task.kwargs
    given = [options[name] for name in SAMPLES if name in options]
    belongs = task.stem in TASKS and len(given) == 1 and options.keys() <= {"kind", "n", *SAMPLES}
    return given[0] if belongs and options.get("kind") in KINDS and "n" in options else None


def _case(record: RunRecord) -> tuple[str, int]:
    return record.run.task.kwargs["kind"], _samples(record.run.task) or 0


def write_rows(table: pd.DataFrame) -> list[str]:
    """Return the lines of the table: a row for each kind and system, its scores by samples."""
    sizes = sorted(table["samples"].unique())
    headings = [f"{words}, {n} samples" for words in SCORES.values() for n in sizes]
    head = ["symmetry", "system", *headings, "seeds", "steps"]
    lines = ["| " + " | ".join(head) + " |", "| --- | --- |" + " ---: |" * (len(head) - 2)]
    for (kind, system), rows in table.groupby(["kind", "system"], sort=False):
        by_size = rows.set_index("samples")
        scores = [_cell(by_size, score, n) for score in SCORES for n in sizes]
        counts = [f"{n:,}" for n in (rows["seeds"].min(), rows["steps"].iloc[0])]
        lines.append("| " + " | ".join([KINDS[kind], system, *scores, *counts]) + " |")
    return lines


def _cell(rows: pd.DataFrame, score: str, samples: int) -> str:
    """Return mean ± deviation, or a dash where there is no run."""
    if samples not in rows.index:
        return "–"
    mean, deviation = rows.loc[samples, score], rows.loc[samples, f"{score}_std"]
    return f"{mean:.2g} ± {deviation:.1g}"
