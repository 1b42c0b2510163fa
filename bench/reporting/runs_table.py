"""One table per task from records alone: accuracy, equivariance error and speed in each row."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from pandas.api.types import is_string_dtype

from bench.core import plugins
from bench.records.files import write_whole
from bench.records.run_record import RunRecord
from bench.reporting import formats, published, tuning
from bench.reporting.aggregate import (
    AND,
    COUNTS,
    OWN,
    TIMED,
    baseline,
    frame,
    keep_task,
    own_scores,
    splits,
    summary,
    with_speed,
)
from bench.reporting.choice import choose
from bench.reporting.formats import Column, Table, Write

MS = [f"{kind}_ms" for kind in TIMED]
HIDDEN = [
    "session",
    "network",
    "label",
    "batch_size",
    *tuning.COLUMNS,
    *(f"{kind}_{part}" for kind in TIMED for part in ("samples", "ratio", "beside")),
]


def columns(data: pd.DataFrame) -> list[Column]:
    """Return the columns of a table: accuracy on every split that was scored, the task's scores."""
    others = [split for split in splits(data) if split != "test"]
    return [
        Column("model", "model", formats.word),
        Column("method", "method", formats.word),
        Column("steps", "steps", formats.whole),
        Column("seeds", "seeds", formats.whole),
        Column("MSE x 1e3", "mse_test", formats.thousandths),
        *[Column(f"{s.upper()} MSE x 1e3", f"mse_{s}", formats.thousandths) for s in others],
        Column("E'", "expected_error_test", formats.spread),
        Column("rel. error", "equivariance_error_test", formats.spread),
        *[Column(_heading(data, s), s, formats.spread) for s in own_scores(data)],
        Column("params", "parameters", formats.whole),
        Column("MFLOP", "flops", formats.in_units(1e6)),
        Column("step ms", "train_step_ms", formats.number),
        Column("infer ms", "inference_ms", formats.number),
        Column("x step", "train_step_faster", formats.ratio),
        Column("x infer", "inference_faster", formats.ratio),
        Column("published", "published", formats.word),
        *[Column(*column, formats.per_second) for column in zip(formats.RATES, MS, strict=True)],
        *[Column(h, name, formats.spread) for h, name in formats.TAILS.items() if name in data],
    ]


def _heading(data: pd.DataFrame, score: str) -> str:
    """Return the name of a score of the task's own, with the unit of the field it begins with."""
    word, units = score.removeprefix(OWN), plugins.units(data["path"].iloc[0])
    return " ".join([word, *[unit for name, unit in units.items() if word.startswith(f"{name}_")]])


def write_runs_table(
    root: Path,
    records: list[RunRecord],
    form: str,
    task: str | None,
    write: Write = write_whole,
) -> str:
    """Write every task's tables under root/tables, and return those of one form as text."""
    data = frame(records)
    tasks = sorted(data["name"].unique()) if len(data) else []
    shown = []
    for name in tasks:
        own = data[data["name"] == name]
        texts = format_task(own, root.name)
        for kind, suffix in formats.SUFFIXES.items():
            write(root / "tables" / f"{name}.{suffix}", texts[kind])
        chosen = keep_task(own, task)
        if len(chosen):
            texts = texts if len(chosen) == len(own) else format_task(chosen, root.name)
            shown.append(texts[form].rstrip("\n"))
    return "\n\n".join(shown)


def format_task(data: pd.DataFrame, machine: str) -> dict[str, str]:
    """Return the tables of one task in every form, one for each choice of the task's options."""
    tables, rows = zip(*fill_tables(data, machine), strict=True)
    counts = dict.fromkeys(COUNTS, "Int64")
    csv = pd.concat(part.astype(counts).drop(columns=HIDDEN, errors="ignore") for part in rows)
    words = {name: csv[name].map(formats.csv_cell) for name in csv if is_string_dtype(csv[name])}
    csv = csv.assign(**words).to_csv(index=False, lineterminator="\n")
    return formats.format_tables([*map(choose, tables)]) | {"csv": csv}


def fill_tables(data: pd.DataFrame, machine: str) -> Iterator[tuple[Table, pd.DataFrame]]:
    """Yield a table for each task and choice of its options, spare columns too, and its rows."""
    for label, part in data.groupby("task"):
        part = part.dropna(axis="columns", how="all")
        yield fill_task(label, part, with_speed(summary(part)), machine)


def fill_task(
    task: str, data: pd.DataFrame, table: pd.DataFrame, machine: str
) -> tuple[Table, pd.DataFrame]:
    """Return the table of a task from its runs and their summary, and its rows."""
    rows = with_published(table, task)
    notes = footnotes(data, rows, machine)
    return formats.fill_table(task, columns(data), rows.to_dict("records"), notes), rows


def with_published(table: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return the rows with published errors beside ours, and rows for what was not run here."""
    texts = published.texts(task)
    ours = [
        (m, method if AND in method else method.partition("(")[0])
        for m, method in table[["network", "method"]].values
    ]
    table = table.assign(published=[texts.get(cell) for cell in ours])
    others = [
        {"model": model, "method": method, "published": text}
        for (model, method), text in texts.items()
        if (model, method) not in ours
    ]
    if not others:
        return table
    return pd.DataFrame([*table.to_dict("records"), *others], columns=table.columns)


def footnotes(data: pd.DataFrame, table: pd.DataFrame, machine: str) -> list[str]:
    """Return what to know of the numbers, and a line for every run that did not finish."""
    best, source = baseline(table), published.source(data["task"].iloc[0])
    elements, samples, sizes = (_join(data[n]) for n in ("elements", "samples", "batch_size"))
    sessions = table["session"].dropna().nunique()
    notes = [
        "mean ± standard deviation over seeds; E' (Eq. 9) and relative error over "
        f"{elements} rotations for each of the first {samples} test samples",
        f"times: medians on {machine}, batch {sizes}, eager, interleaved in "
        f"{'one session' if sessions < 2 else f'{sessions} sessions'}; MFLOP: of one inference",
    ]
    if best is not None:
        of = f"{best['model']}, the best equivariant model by MSE"
        faster = f"x step, x infer: times faster (above 1 is faster) than {of}"
        notes.append(f"{faster}, median over the rounds of a session")
    if table[[f"{kind}_quality" for kind in TIMED]].eq("C").any(axis=None):
        notes.append(f"{formats.DISTURBED}, kept out of every ratio")
    notes += tuning.say_search(table)
    if source:
        notes.append(
            f"published: MSE x 1e3, test / OOD, sizes, steps and beta may be others; {source}"
        )
    unfinished = data[data["status"] != "done"]
    for row in unfinished.to_dict("records") if len(unfinished) else []:
        run = f"{row['model']} {row['method']}, seed {row['seed']}"
        notes.append(f"not finished: {run}: {row['status']}: {row['reason']}")
    return notes


def _join(values: pd.Series) -> str:
    return "/".join(str(value) for value in sorted(values.unique()))
