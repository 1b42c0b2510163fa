"""One table per task from records alone: accuracy, equivariance error and speed in each row."""

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from bench import published, render
from bench.config import Plugin, Run, canonical, from_plain
from bench.records import Record, key, write_whole
from bench.render import Column

AND = " + "
CELL = ["task", "model", "method", "steps", "key"]
KINDS = ("mse", "expected_error", "mean_error", "equivariance_error")
COUNTS = ["steps", "seeds", "parameters", "flops", "dispatched_ops"]
TIMED = ("train_step", "inference")
TIMINGS = [f"{kind}_{part}" for kind in TIMED for part in ("ms", "quality", "samples")]
HIDDEN = ["session", "network", "label", *(f"{kind}_samples" for kind in TIMED)]
EXACT = 1e-4  # relative error up to which a claim of equivariance is believed


def columns(data: pd.DataFrame) -> list[Column]:
    """The columns of a table: one of accuracy for every split that was scored."""
    others = [split for split in splits(data) if split != "test"]
    return [
        Column("model", "model", render.word),
        Column("method", "method", render.word),
        Column("steps", "steps", render.whole),
        Column("seeds", "seeds", render.whole),
        Column("MSE x 1e3", "mse_test", render.thousandths),
        *[Column(f"{s.upper()} MSE x 1e3", f"mse_{s}", render.thousandths) for s in others],
        Column("E'", "expected_error_test", render.spread),
        Column("rel. error", "equivariance_error_test", render.spread),
        Column("params", "parameters", render.whole),
        Column("MFLOP", "flops", render.in_units(1e6)),
        Column("step ms", "train_step_ms", render.number),
        Column("infer ms", "inference_ms", render.number),
        Column("x step", "train_step_faster", render.ratio),
        Column("x infer", "inference_faster", render.ratio),
        Column("published", "published", render.word),
    ]


def splits(data: pd.DataFrame) -> list[str]:
    """The splits that were scored, the test split first."""
    found = {name.removeprefix("mse_") for name in data if name.startswith("mse_")}
    names = {name for name in found if not name.endswith("_std")} - {"val", "test"}
    return ["test", *sorted(names)]


def write(root: Path, found: list[Record], form: str, task: str | None) -> str:
    """Writes every task's tables under root/tables, and returns those of one form as text."""
    data = frame(found)
    tasks = sorted(data["name"].unique()) if len(data) else []
    shown = []
    for name in tasks:
        forms = render_task(data[data["name"] == name], root.name)
        for kind, suffix in render.SUFFIXES.items():
            write_whole(root / "tables" / f"{name}.{suffix}", forms[kind])
        if task in (None, name):
            shown.append(forms[form].rstrip("\n"))
    return "\n\n".join(shown)


def render_task(data: pd.DataFrame, machine: str) -> dict[str, str]:
    """The tables of one task in every form, a section for each choice of the task's options."""
    sections = {"text": [], "md": [], "html": [], "latex": [], "csv": []}
    for label, part in data.groupby("task"):
        part = part.dropna(axis="columns", how="all")
        table = with_published(with_speed(summary(part)), label)
        notes = footnotes(part, table, machine)
        rows = table.to_dict("records")
        for form in ("text", "md", "html", "latex"):
            sections[form].append(render.table(form, label, columns(part), rows, notes))
        counts = dict.fromkeys(COUNTS, "Int64")
        sections["csv"].append(table.astype(counts).drop(columns=HIDDEN))
    csv = pd.concat(sections.pop("csv")).to_csv(index=False, lineterminator="\n")
    return {form: "\n".join(parts) for form, parts in sections.items()} | {"csv": csv}


def frame(found: list[Record]) -> pd.DataFrame:
    """One row per record, in an order that does not depend on that of the files.

    A run that was made for its loss surface is a row only where it repeats no other.
    """
    runs = [(from_plain(record["run"]), record) for record in found]
    runs.sort(key=lambda pair: -pair[0].surface)
    once = {canonical(replace(run, surface=0)): record for run, record in runs}
    rows = [_row(record) for record in once.values()]
    data = pd.DataFrame(rows)
    return data.sort_values([*CELL, "seed"], ignore_index=True) if rows else data


def _row(record: Record) -> dict[str, Any]:
    run = from_plain(record["run"])
    task = task_of(run)
    return {
        "name": task.name,
        "task": str(task),
        "model": Path(run.model.name).stem,
        "network": Path(run.model.name).stem,
        "label": str(Plugin(Path(run.model.name).stem, run.model.kwargs)),
        "method": method_of(run) if is_current(record) else f"{method_of(run)}{AND}old version",
        "key": record["key"],
        **{
            name: getattr(run, name)
            for name in ("steps", "seed", "elements", "samples", "batch_size")
        },
        **{name: record[name] for name in ("status", "reason", "equivariant", "trivial")},
        **{k: record["counters"].get(k) for k in ("parameters", "flops", "dispatched_ops")},
        **record["scores"],
        **_timings(record),
    }


def task_of(run: Run) -> Plugin:
    """The task by its name, wherever its file was."""
    return Plugin(Path(run.task.name).stem, run.task.kwargs)


def method_of(run: Run) -> str:
    """The method with its options, and what was done after training."""
    after = [run.symmetrise] if run.symmetrise != "none" else []
    return AND.join([str(run.method), *after])


def is_current(record: Record) -> bool:
    """Whether the run has its key still; yes where a plug-in is gone."""
    try:
        return record["key"] == key(from_plain(record["run"]))
    except ValueError:
        return True


def _timings(record: Record) -> dict[str, Any]:
    flat = {"session": None}
    for kind, timing in record["timings"].items():
        quality, flat["session"] = timing["quality"], timing["session"]
        flat |= {f"{kind}_ms": timing["median_ms"], f"{kind}_quality": quality}
        flat[f"{kind}_samples"] = timing["samples_ms"]
    return flat


def summary(data: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: mean and standard deviation over seeds of each score, and their count.

    A cell without a finished run has its status instead.
    """
    rows = []
    for cell, runs in data.groupby(CELL):
        done = runs[runs["status"] == "done"]
        seeds = done if len(done) else runs.iloc[:1]
        row = dict(zip(CELL, cell, strict=True)) | {"seeds": len(done)}
        for score in (f"{kind}_{split}" for kind in KINDS for split in splits(data)):
            values = seeds.get(score, pd.Series([float("nan")]))
            row |= {score: values.mean(skipna=False), f"{score}_std": values.std(ddof=1)}
        same = (
            "network",
            "label",
            "status",
            "equivariant",
            "trivial",
            *COUNTS[2:],
            "session",
            *TIMINGS,
        )
        rows.append(row | {name: seeds[name].iloc[0] if name in seeds else None for name in same})
    order = ["equivariant", "model", "method", "steps", "key"]
    table = pd.DataFrame(rows).sort_values(order, ascending=[False, *[True] * 4])
    return _told_apart(table.reset_index(drop=True))


def _told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """Networks of several sizes show their options, rows that are still alike their key."""
    sizes = table.groupby("network")["label"].transform("nunique")
    table["model"] = table["label"].where(sizes > 1, table["network"])
    alike = table.duplicated(["model", "method", "steps"], keep=False)
    table["model"] = (table["model"] + " #" + table["key"]).where(alike, table["model"])
    return table


def with_speed(table: pd.DataFrame) -> pd.DataFrame:
    """Adds how many times faster each row is than the best equivariant one of its session."""
    best = baseline(table)
    for kind in TIMED:
        table[f"{kind}_faster"] = [_faster(best, row, kind) for _, row in table.iterrows()]
    return table


def baseline(table: pd.DataFrame) -> pd.Series | None:
    """The equivariant cell with the smallest in-distribution error, trivial ones left out."""
    claimed = table["equivariant"].eq(True) & ~table["trivial"].eq(True)
    exact = table[claimed & (table["equivariance_error_test"] < EXACT)]
    return exact.loc[exact["mse_test"].idxmin()] if len(exact) else None


def _faster(best: pd.Series | None, row: pd.Series, kind: str) -> float | None:
    """Median ratio over the rounds of one session; none where one of both was disturbed."""
    if best is None or row["session"] is None or best["session"] != row["session"]:
        return None
    if "C" in (best[f"{kind}_quality"], row[f"{kind}_quality"]):
        return None
    pairs = zip(best[f"{kind}_samples"], row[f"{kind}_samples"], strict=True)
    return median(theirs / ours for theirs, ours in pairs)


def with_published(table: pd.DataFrame, task: str) -> pd.DataFrame:
    """Adds the published errors beside ours, and rows for what was published but not run."""
    texts = published.texts(task)
    ours = [
        (m, method if AND in method else method.partition("(")[0])
        for m, method in table[["network", "method"]].values
    ]
    table["published"] = [texts.get(cell) for cell in ours]
    others = [
        {"model": model, "method": method, "published": text}
        for (model, method), text in texts.items()
        if (model, method) not in ours
    ]
    return pd.DataFrame([*table.to_dict("records"), *others], columns=table.columns)


def footnotes(data: pd.DataFrame, table: pd.DataFrame, machine: str) -> list[str]:
    """What a reader has to know of the numbers, and a line for every run that did not finish."""
    best, source = baseline(table), published.source(data["task"].iloc[0])
    elements, samples, sizes = (_listed(data[n]) for n in ("elements", "samples", "batch_size"))
    sessions = table["session"].dropna().nunique()
    notes = [
        "mean ± standard deviation over seeds; E' (Eq. 9) and relative error over "
        f"{elements} rotations for each of the first {samples} test samples",
        f"times: medians on {machine}, batch {sizes}, eager, interleaved in "
        f"{'one session' if sessions < 2 else f'{sessions} sessions'}; MFLOP: of one inference",
    ]
    if best is not None:
        of = f"{best['model']}, the best equivariant model by MSE"
        notes.append(f"x: times faster than {of}, median over the rounds of a session")
    if source:
        notes.append(f"published: MSE x 1e3, test / OOD, other sizes and steps; {source}")
    for _, row in data[data["status"] != "done"].iterrows():
        run = f"{row['model']} {row['method']}, seed {row['seed']}"
        notes.append(f"not finished: {run}: {row['status']}: {row['reason']}")
    return notes


def _listed(values: pd.Series) -> str:
    return "/".join(str(value) for value in sorted(values.unique()))
