"""Records to rows: means and spreads over seeds, speed-ups within a session."""

import re
from collections.abc import Mapping
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from bench.core.config import Run, canonical, without_folders
from bench.core.keys import run_key
from bench.records.run_record import STANDARD, RunRecord
from bench.reporting.tuning import keep_tuned

AND = " + "
OLD = f"{AND}old version"
CONFIGURATION = ["task", "model", "method", "steps", "key"]
OWN = "score_"  # of the columns of scores that a task brings itself
TAIL = re.compile(
    r"((expected_error|mean_error|equivariance_error)_(p95|max)|squared_error_(median|max))"
    r"_\w+(?<!_std)"
)
KINDS = ("mse", "expected_error", "mean_error", "equivariance_error")
COUNTS = ["steps", "seeds", "parameters", "flops", "dispatched_ops"]
TIMED = ("train_step", "inference")
TIMINGS = [
    f"{kind}_{part}" for kind in TIMED for part in ("ms", "quality", "samples", "ratio", "beside")
]
SAME = ["network", "label", "status", "equivariant", "trivial", "batch_size", "lr", "search"]
SAME += ["session", *COUNTS[2:], *TIMINGS]
EXACT = 1e-4  # relative error up to which a claim of equivariance is believed


def splits(data: pd.DataFrame) -> list[str]:
    """Return the splits that were scored, the test split first."""
    scores = {name.removeprefix("mse_") for name in data if name.startswith("mse_")}
    others = {name for name in scores if not name.endswith("_std")} - {"val", "test"}
    return ["test", *sorted(others)]


def own_scores(data: pd.DataFrame) -> list[str]:
    """Return the columns of scores that tasks bring themselves, in alphabetical order."""
    names = {name.removesuffix("_std") for name in data if name.startswith(OWN)}
    return sorted(names)


def tails(data: pd.DataFrame) -> list[str]:
    """Return the columns of medians, percentiles and largest errors; old records lack them."""
    return sorted(name for name in data if TAIL.fullmatch(name))


def frame(records: list[RunRecord]) -> pd.DataFrame:
    """Return one row per record, in an order that does not depend on that of the files.

    A run that was made for its loss surface is a row only where it repeats no other, and of copies
    of a record, as several machines have them, there is one.
    """
    names: dict[tuple, dict[str, Any]] = {}  # by configuration, since keys take a while
    rows, known = {}, set()
    for record in sorted(records, key=lambda record: record.run.surface):
        text, seed = canonical(record.run, seed=0, surface=0), record.run.seed
        configuration = text, record.key, record.run.surface
        if configuration not in names:
            names[configuration] = _names(record)
        own = names[configuration]
        run = text, own["method"], seed
        if record.run.surface and run in known:
            continue
        known.add(run)
        rows[*(own[name] for name in CONFIGURATION), seed] = own | _values(record)
    data = pd.DataFrame(rows.values())
    return data.sort_values([*CONFIGURATION, "seed"], ignore_index=True) if rows else data


def _names(record: RunRecord) -> dict[str, Any]:
    """Return what all seeds of a configuration share."""
    run = record.run
    return {
        "name": run.task.stem,
        "path": run.task.name,
        "task": run.task.label,
        "model": run.model.stem,
        "network": run.model.stem,
        "label": run.model.label,
        "method": method_of(run) + OLD * (not is_current(record)),
        "key": record.key,
        "search": canonical(without_folders(run), seed=0, lr=None, surface=0),
        **{
            name: getattr(run, name)
            for name in ("steps", "elements", "samples", "batch_size", "lr")
        },
    }


def _values(record: RunRecord) -> dict[str, Any]:
    """Return what is a record's own."""
    return {
        "seed": record.run.seed,
        **{name: getattr(record, name) for name in ("status", "reason", "equivariant", "trivial")},
        "seconds": record.seconds,
        **{k: record.counters.get(k) for k in ("parameters", "flops", "dispatched_ops")},
        **{n if STANDARD.fullmatch(n) else OWN + n: score for n, score in record.scores.items()},
        **_timings(record),
    }


def method_of(run: Run) -> str:
    """Return the method with options, optimiser and precision, and what was done after."""
    others = (run.optimiser, "adam"), (run.precision, "float32"), (run.symmetrise, "none")
    return AND.join([run.method.label, *(value for value, usual in others if value != usual)])


def keep_task(data: pd.DataFrame, task: str | None) -> pd.DataFrame:
    """Return the rows of a task, given by its name alone or with its options; all for None."""
    return data if task is None else data[data["name"].eq(task) | data["task"].eq(task)]


def keep_usual(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that no other optimiser, tuned rate or treatment afterwards has helped."""
    return table[~table["method"].str.contains(AND, regex=False)]


def keep_current(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that the code of today would train alike."""
    return table[~table["method"].str.contains(OLD, regex=False)]


def is_current(record: RunRecord) -> bool:
    """Return whether the run has its key still; yes where a plug-in is gone."""
    try:
        return record.key == run_key(record.run)
    except ValueError:
        return True


def _timings(record: RunRecord) -> dict[str, Any]:
    flat = {"session": None}
    for kind, timing in record.timings.items():
        quality, flat["session"] = timing.quality, timing.session
        flat |= {f"{kind}_ms": timing.median_ms, f"{kind}_quality": quality}
        flat |= {f"{kind}_samples": timing.samples_ms, f"{kind}_beside": timing.beside}
        flat[f"{kind}_ratio"] = median(timing.ratios) if timing.ratios else None
    return flat


def summary(data: pd.DataFrame) -> pd.DataFrame:
    """Return one row per configuration: mean and deviation over seeds of each score, their count.

    A configuration without a finished run has its status instead.
    """
    values = {name: data[name].to_numpy() for name in data}  # by place: a group's frame is slow
    standard = [f"{kind}_{split}" for kind in KINDS for split in splits(data)]
    scores = [
        *standard,
        *(["mse_val"] if "mse_val" in data else []),
        *tails(data),
        *own_scores(data),
    ]
    sessions = values.get("session", [None] * len(data))
    rows = []
    for configuration, places in data.groupby(CONFIGURATION).indices.items():
        done = places[values["status"][places] == "done"]
        seeds = done if len(done) else places[:1]
        row = dict(zip(CONFIGURATION, configuration, strict=True)) | {"seeds": len(done)}
        for score in scores:
            own = values[score][seeds].astype(float) if score in values else np.full(1, np.nan)
            row |= {score: _mean(own), f"{score}_std": _deviation(own)}
        timed = next((place for place in seeds if isinstance(sessions[place], str)), seeds[0])
        places_of = dict.fromkeys(SAME, seeds[0]) | dict.fromkeys(["session", *TIMINGS], timed)
        spent = values["seconds"][seeds] if "seconds" in values else [np.nan]
        row["seconds"] = np.nansum(np.array(spent, dtype=float))
        rows.append(
            row | {n: values[n][place] if n in values else None for n, place in places_of.items()}
        )
    order = ["equivariant", "model", "method", "steps", "key"]
    table = keep_tuned(pd.DataFrame(rows), AND).sort_values(order, ascending=[False, *[True] * 4])
    return _tell_apart(table.reset_index(drop=True))


def _mean(values: np.ndarray) -> float:
    """Return the mean of what is known of a sample; records of before lack some scores."""
    known = values[~np.isnan(values)]
    return known.sum() / len(known) if len(known) else np.nan


def _deviation(values: np.ndarray) -> float:
    """Return the deviation of what is known of a sample."""
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return np.nan
    return np.sqrt(((known - known.mean()) ** 2).sum() / (len(known) - 1))


def _tell_apart(table: pd.DataFrame) -> pd.DataFrame:
    """Give networks of several sizes their options, and rows that are still alike their key."""
    sizes = table.groupby("network")["label"].transform("nunique")
    table["model"] = table["label"].where(sizes > 1, table["network"])
    alike = table.duplicated(["model", "method", "steps"], keep=False)
    table["model"] = (table["model"] + " #" + table["key"]).where(alike, table["model"])
    return table


def with_speed(table: pd.DataFrame) -> pd.DataFrame:
    """Add how many times faster each row is than the best equivariant one of its session."""
    best, rows = baseline(table), table.to_dict("records")
    for kind in TIMED:
        table[f"{kind}_faster"] = [_faster(best, row, kind) for row in rows]
    return table


def baseline(table: pd.DataFrame) -> pd.Series | None:
    """Return the equivariant row with the smallest in-distribution error.

    Trivial ones and those of an old version are left out.
    """
    claimed = table["equivariant"].eq(True) & ~table["trivial"].eq(True)
    exact = keep_current(table[claimed & is_exact(table) & table["mse_test"].notna()])
    return exact.loc[exact["mse_test"].idxmin()] if len(exact) else None


def is_exact(row: Any) -> Any:  # noqa: ANN401 - a row, or all of a table
    """Return whether the error of a row, or of each of a table, is round-off."""
    return row["equivariance_error_test"] < EXACT


def _faster(best: pd.Series | None, row: Mapping[str, Any], kind: str) -> float | None:
    ratios = [] if best is None else time_ratios(best, row, kind)
    return median(ratios) if ratios else None


def time_ratios(best: Mapping[str, Any], row: Mapping[str, Any], kind: str) -> list[float]:
    """Return how many times faster a row is than the best one, in each round of their session.

    Of two sessions that one row relates there is one number; none where one of both was disturbed,
    or nothing relates their sessions.
    """
    if "C" in (best[f"{kind}_quality"], row[f"{kind}_quality"]):
        return []
    if best["session"] != row["session"]:
        related = row[f"{kind}_beside"] and row[f"{kind}_beside"] == best[f"{kind}_beside"]
        return [best[f"{kind}_ratio"] / row[f"{kind}_ratio"]] if related else []
    sides = [side[f"{kind}_samples"] for side in (best, row)]
    rounds = {len(samples) if isinstance(samples, list) else 0 for samples in sides}
    if row["session"] is None or len(rounds) > 1 or rounds == {0}:  # not timed, or not in turn
        return []
    return [theirs / ours for theirs, ours in zip(*sides, strict=True)]
