"""The paper's tables with our numbers beside: what was published, how sure, and what differs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import nan
from statistics import fmean, stdev
from typing import Any

from bench.core import plugins
from bench.core.config import Run
from bench.records.run_record import RunRecord
from bench.reporting import formats, published
from bench.reporting.formats import Table

MOLECULES = ("aspirin", "benzene", "ethanol", "malonaldehyde", "naphthalene", "salicylic")
MOLECULES += ("toluene", "uracil")
MARKS = {
    "z": "z: another size of the network than published",
    "t": "t: another length of training, batch or learning rate",
    "d": "d: other data, or another number of samples",
}
SUBSTITUTES = {"md17": "md_gfn2"}  # data that stand in where the paper's are not at hand


@dataclass(frozen=True)
class Score:
    """A column: a heading, a task with the option that matters, a score and its unit."""

    heading: str
    task: str
    option: tuple[str, str] | None
    score: str
    unit: float = 1.0

    @property
    def label(self) -> str:
        """Return the task as published numbers name it."""
        return f"{self.task}({'='.join(self.option)})" if self.option else self.task


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: what it shows, the sweep that makes it in full, its columns."""

    title: str
    sweep: str
    scores: Sequence[Score]


@dataclass(frozen=True)
class Entry:
    """A number of a table: what was published with its label, ours over seeds, what differs."""

    published: float | None = None
    label: str = ""
    mean: float | None = None
    deviation: float | None = None
    seeds: int = 0
    differs: str = ""


def _walks(score: str, words: str, unit: float) -> list[Score]:
    return [
        Score(f"{subject}{words}", "mocap", ("subject", subject), score, unit)
        for subject in ("walk", "run")
    ]


TABLES = {
    "1": PaperTable(
        "Table 1: N-body, MSE x 1e3",
        "paper_nbody",
        [
            Score("in distribution", "nbody_gravity", None, "mse_test", 1e-3),
            Score("OOD", "nbody_gravity", None, "mse_ood", 1e-3),
        ],
    ),
    "2": PaperTable(
        "Table 2: motion capture, MSE x 1e2", "paper_mocap", _walks("mse_test", "", 1e-2)
    ),
    "3": PaperTable(
        "Table 3: MD17, MSE x 1e2",
        "paper_md",
        [Score(name, "md17", ("molecule", name), "mse_test", 1e-2) for name in MOLECULES],
    ),
    "8": PaperTable(
        "Table 8: charged N-body, MSE x 1e3",
        "paper_charged",
        [Score("MSE", "nbody_charged", None, "mse_test", 1e-3)],
    ),
    "9": PaperTable(
        "Table 9: motion capture, E' under rotations about an axis",
        "paper_mocap",
        [own for axis in "xyz" for own in _walks(f"axis_{axis}", f" {axis}", 1.0)],
    ),
}


def write_paper_table(number: str, records: Iterable[RunRecord], form: str) -> str:
    """Return a table of the paper in a form, our rows beside the published ones.

    Errors do not depend on the machine, so records of several are pooled: a seed counts once.
    """
    paper = TABLES[number]
    distinct = {(record.key, record.run.seed, record.run.surface): record for record in records}
    rows = list(list_rows(paper, distinct.values()))
    if form == "csv":
        return formats.format_csv(list(_flat(paper, rows)), FIELDS)
    return formats.format_tables([_fill(paper, rows)])[form]


def list_rows(
    paper: PaperTable, records: Iterable[RunRecord]
) -> Iterator[tuple[str, str, list[Entry]]]:
    """Yield network, method and numbers of each row, those that were published first."""
    ours: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        if record.status == "done" and record.run.symmetrise == "none":
            ours.setdefault((record.run.model.stem, record.run.method.stem), []).append(record)
    theirs = [published.errors(score.label) for score in paper.scores]
    for name in dict.fromkeys([*(key for known in theirs for key in known), *sorted(ours)]):
        entries = [
            _enter(paper, score, known.get(name, {}), ours.get(name, []))
            for score, known in zip(paper.scores, theirs, strict=True)
        ]
        if any(entry != Entry() for entry in entries):
            yield *name, entries


def _enter(
    paper: PaperTable, score: Score, known: dict[str, Any], records: list[RunRecord]
) -> Entry:
    """Return the number of a row and column, ours of the setting with least validation error."""
    theirs = known.get(score.score)
    given = (theirs, known["label"]) if theirs is not None else (None, "")
    settings: dict[str, list[RunRecord]] = {}
    for record in records:
        if _shows(score, record.run) and _value(score, record) is not None:
            settings.setdefault(record.key, []).append(record)
    if not settings:
        return Entry(*given)
    best = min(settings.values(), key=lambda seeds: (_mean(seeds, "mse_val"), seeds[0].key))
    values = [_value(score, record) for record in best]
    deviation = stdev(values) if len(values) > 1 else None
    return Entry(*given, fmean(values), deviation, len(values), differences(paper, best[0].run))


def differences(paper: PaperTable, run: Run) -> str:
    """Return the marks of what differs between a run and the one that the paper's sweep makes."""
    sweep = _runs(paper.sweep)
    alike = [own for own in sweep if own.model.stem == run.model.stem]
    same = [own for own in alike or sweep if own.method.stem == run.method.stem] or sweep
    protocols = {(own.steps, own.batch_size, own.lr) for own in same}
    data = [own.task.kwargs for own in sweep if own.task.stem == run.task.stem]
    marks = {
        "z": _is_of_another_size(run, alike),
        "t": (run.steps, run.batch_size, run.lr) not in protocols,
        "d": run.task.kwargs not in data,
    }
    return "".join(mark for mark, differs in marks.items() if differs)


def _is_of_another_size(run: Run, alike: Sequence[Run]) -> bool:
    """Return whether a network is not as published, defaults too; no where its file is gone."""
    try:
        size = alike[0].model.kwargs if alike else plugins.paper_options(run.model.name)
        options = plugins.options("models", run.model.name) if size else {}
    except ValueError:
        return False
    options = {**options, **run.model.kwargs}
    return options != {**options, **size}


@cache
def _runs(sweep: str) -> list[Run]:
    return list(plugins.load("sweeps", sweep).runs())


def _shows(score: Score, run: Run) -> bool:
    if run.task.stem not in (score.task, SUBSTITUTES.get(score.task)):
        return False
    return score.option is None or str(run.task.kwargs.get(score.option[0])) == score.option[1]


def _value(score: Score, record: RunRecord) -> float | None:
    if score.score.startswith("axis_"):
        axes = record.profiles.expected_error_by_axis if record.profiles else {}
        return axes.get(score.score.removeprefix("axis_"))
    return record.scores.get(score.score)


def _mean(records: list[RunRecord], score: str) -> float:
    return fmean(record.scores.get(score, float("inf")) for record in records)


def _fill(paper: PaperTable, rows: list[tuple[str, str, list[Entry]]]) -> Table:
    headings = ["network", "method"]
    headings += [
        f"{score.heading}{part}" for score in paper.scores for part in (" (paper)", " (ours)")
    ]
    cells = []
    for network, method, entries in rows:
        pairs = [_texts(*pair) for pair in zip(entries, paper.scores, strict=True)]
        cells.append([network, method, *(text for pair in pairs for text in pair)])
    empty = [all(row[i] == formats.ABSENT for row in cells) for i in range(len(headings))]
    cells = [[text for text, gone in zip(row, empty, strict=True) if not gone] for row in cells]
    headings = [text for text, gone in zip(headings, empty, strict=True) if not gone or not cells]
    used = {mark for _, _, entries in rows for entry in entries for mark in entry.differs}
    known = any(entry.published is not None for _, _, entries in rows for entry in entries)
    sources = dict.fromkeys(published.source(score.label) for score in paper.scores)
    notes = [
        "ours: mean ± standard deviation over seeds (their number); of several settings "
        "of a method that with the smallest error in validation",
        *[f"published: {source}" for source in sources if source and known],
        *[words for mark, words in MARKS.items() if mark in used],
        f"in full: python -m bench run {paper.sweep} --device cuda",
    ]
    return Table(paper.title, headings, cells, notes)


def _texts(entry: Entry, score: Score) -> tuple[str, str]:
    theirs = ours = formats.ABSENT
    if entry.published is not None:
        theirs = f"{formats.plain(entry.published / score.unit, 3)} [{entry.label}]"
    if entry.mean is not None:
        spread = nan if entry.deviation is None else entry.deviation / score.unit
        numbers = {"x": entry.mean / score.unit, "x_std": spread}
        marks = f" {entry.differs}" if entry.differs else ""
        ours = f"{formats.spread(numbers, 'x')} ({entry.seeds}){marks}"
    return theirs, ours


FIELDS = ("network", "method", "column", "published", "label", "ours", "deviation", "seeds",
          "differs")  # fmt: skip


def _flat(paper: PaperTable, rows: list[tuple[str, str, list[Entry]]]) -> Iterator[dict[str, Any]]:
    for network, method, entries in rows:
        for score, entry in zip(paper.scores, entries, strict=True):
            own = (entry.published, entry.label, entry.mean, entry.deviation, entry.seeds)
            values = (network, method, f"{score.label} {score.score}", *own, entry.differs)
            yield dict(zip(FIELDS, values, strict=True))
