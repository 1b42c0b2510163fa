"""One table per task from records alone: accuracy, equivariance error and speed in each row."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from bench import render
from bench.config import Plugin, Run, from_plain
from bench.records import Record, key
from bench.render import Column

PUBLISHED = Path(__file__).with_name("published.json")
SUFFIXES = {"text": "txt", "md": "md", "csv": "csv", "latex": "tex"}
AND = " + "
CELL = ["task", "model", "method", "steps", "key"]
COLUMNS = [
    Column("model", "model", render.word),
    Column("method", "method", render.word),
    Column("steps", "steps", render.whole),
    Column("seeds", "seeds", render.whole),
    Column("MSE x 1e3", "mse_test", render.thousandths),
    Column("OOD MSE x 1e3", "mse_ood", render.thousandths),
    Column("E'", "expected_error_test", render.spread),
    Column("rel. error", "equivariance_error_test", render.spread),
    Column("params", "parameters", render.whole),
    Column("step ms", "train_step_ms", render.number),
    Column("infer ms", "inference_ms", render.number),
    Column("x step", "train_step_faster", render.ratio),
    Column("x infer", "inference_faster", render.ratio),
    Column("published", "published", render.word),
]


def write(root: Path, found: list[Record], form: str, task: str | None) -> str:
    """Writes every task's tables under root/tables, and returns those of one form as text.

    Raises `ValueError` if there are no records of `task`.
    """
    data = frame(found)
    tasks = sorted(data["name"].unique()) if len(data) else []
    if task is not None and task not in tasks:
        raise ValueError(f"no records of task {task!r}; there are {', '.join(tasks) or 'none'}")
    shown = []
    for name in tasks:
        forms = render_task(data[data["name"] == name], root.name)
        for kind in ("md", "csv", "latex"):
            file = root / "tables" / f"{name}.{SUFFIXES[kind]}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(forms[kind])
        if task in (None, name):
            shown.append(forms[form].rstrip("\n"))
    return "\n\n".join(shown)


def render_task(data: pd.DataFrame, machine: str) -> dict[str, str]:
    """The tables of one task in every form, a section for each choice of the task's options."""
    sections = {"text": [], "md": [], "latex": [], "csv": []}
    for label, part in data.groupby("task"):
        table = with_speed(summary(part[part["status"] == "done"]))
        table = with_published(table, part["name"].iloc[0])
        notes = footnotes(part, table, machine)
        for form in ("text", "md", "latex"):
            sections[form].append(render.table(form, label, COLUMNS, table, notes))
        sections["csv"].append(table.drop(columns="session"))
    csv = pd.concat(sections.pop("csv")).to_csv(index=False, lineterminator="\n")
    return {form: "\n".join(parts) for form, parts in sections.items()} | {"csv": csv}


def frame(found: list[Record]) -> pd.DataFrame:
    """One row per record, in an order that does not depend on that of the files."""
    rows = [_row(record) for record in found]
    data = pd.DataFrame(rows)
    return data.sort_values([*CELL, "seed"], ignore_index=True) if rows else data


def _row(record: Record) -> dict[str, Any]:
    run = from_plain(record["run"])
    task = task_of(run)
    return {
        "name": task.name,
        "task": str(task),
        "model": Path(run.model.name).stem,
        "method": method_of(run),
        "key": key_of(run),
        **{name: getattr(run, name) for name in ("steps", "seed", "elements", "batch_size")},
        **{name: record[name] for name in ("status", "reason", "equivariant")},
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
    after += [f"surface({run.surface})"] if run.surface else []
    return AND.join([str(run.method), *after])


def key_of(run: Run) -> str:
    """The run's key, or none for a plug-in that is no longer there."""
    try:
        return key(run)
    except ValueError:
        return ""


def _timings(record: Record) -> dict[str, Any]:
    flat = {"session": None}
    for kind, timing in record["timings"].items():
        quality, flat["session"] = timing["quality"], timing["session"]
        flat |= {f"{kind}_ms": timing["median_ms"], f"{kind}_quality": quality}
    return flat


def summary(data: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: mean and standard deviation over seeds of each score, and their count."""
    rows = []
    for cell, seeds in data.groupby(CELL):
        row = dict(zip(CELL, cell, strict=True)) | {"seeds": len(seeds)}
        row["equivariant"] = bool(seeds["equivariant"].iloc[0])
        for score in SCORES:
            values = seeds[score] if score in seeds else pd.Series([float("nan")])
            row |= {score: values.mean(), f"{score}_std": values.std(ddof=1)}
        for name in ("parameters", "flops", "dispatched_ops", "session", *TIMINGS):
            row[name] = seeds[name].iloc[0] if name in seeds else None
        rows.append(row)
    table = pd.DataFrame(rows, columns=[*CELL, "seeds", "equivariant", *ROW])
    order = ["equivariant", "model", "method", "steps", "key"]
    return table.sort_values(order, ascending=[False, *[True] * 4], ignore_index=True)


def with_speed(table: pd.DataFrame) -> pd.DataFrame:
    """Adds how many times faster each row is than the best equivariant one of its session."""
    best = baseline(table)
    for kind in ("train_step", "inference"):
        table[f"{kind}_faster"] = [
            _faster(best, row, kind) if best is not None else None for _, row in table.iterrows()
        ]
    return table


def baseline(table: pd.DataFrame) -> pd.Series | None:
    """The equivariant cell with the smallest in-distribution error."""
    exact = table[table["equivariant"] & table["mse_test"].notna()]
    return exact.loc[exact["mse_test"].idxmin()] if len(exact) else None


def _faster(best: pd.Series, row: pd.Series, kind: str) -> float | None:
    """The quotient of two medians of one session; none where one of them was disturbed."""
    if row["session"] is None or best["session"] != row["session"]:
        return None
    if "C" in (best[f"{kind}_quality"], row[f"{kind}_quality"]):
        return None
    return best[f"{kind}_ms"] / row[f"{kind}_ms"]


def with_published(table: pd.DataFrame, task: str) -> pd.DataFrame:
    """Adds the published errors beside ours, and rows for what was published but not run."""
    rows = published(task)["rows"]
    texts = {(row["model"], row["method"]): _published_text(row) for row in rows}
    ours = [
        (m, method if AND in method else method.partition("(")[0])
        for m, method in table[["model", "method"]].values
    ]
    table["published"] = [texts.get(cell) for cell in ours]
    others = [
        {"model": model, "method": method, "published": text}
        for (model, method), text in texts.items()
        if (model, method) not in ours
    ]
    return pd.DataFrame([*table.to_dict("records"), *others], columns=table.columns)


def published(task: str) -> dict[str, Any]:
    """The published errors of a task with their source."""
    return json.loads(PUBLISHED.read_text()).get(task, {"source": None, "rows": []})


def _published_text(row: dict[str, Any]) -> str:
    return f"{1e3 * row['mse_test']:.3g} / {1e3 * row['mse_ood']:.3g} [{row['label']}]"


def footnotes(data: pd.DataFrame, table: pd.DataFrame, machine: str) -> list[str]:
    """What a reader has to know of the numbers, and a line for every run that did not finish."""
    best, source = baseline(table[table["seeds"].notna()]), published(data["name"].iloc[0])
    elements = "/".join(str(m) for m in sorted(data["elements"].unique()))
    sizes = "/".join(str(size) for size in sorted(data["batch_size"].unique()))
    notes = [f"mean ± standard deviation over seeds; E' (Eq. 9) and relative error over {elements} "
             "rotations per sample, test split"]  # fmt: skip
    notes.append(f"times: medians on {machine}, batch {sizes}, eager, interleaved in one session")
    if best is not None:
        notes.append(f"x: times faster than {best['model']}, the best equivariant model by MSE")
    if source["source"]:
        notes.append(f"published: MSE x 1e3, test / OOD, other sizes and steps; {source['source']}")
    for _, row in data[data["status"] != "done"].iterrows():
        run = f"{row['model']} {row['method']}, seed {row['seed']}"
        notes.append(f"not finished: {run}: {row['status']}: {row['reason']}")
    return notes


SCORES = [
    f"{kind}_{split}"
    for kind in ("mse", "expected_error", "mean_error", "equivariance_error")
    for split in ("test", "ood")
]
TIMINGS = [f"{kind}_{part}" for kind in ("train_step", "inference") for part in ("ms", "quality")]
ROW = [name for score in SCORES for name in (score, f"{score}_std")] + [
    "parameters", "flops", "dispatched_ops", "session", *TIMINGS,
]  # fmt: skip
