"""The report of a machine: one page with its answer, figures, tables and records, nothing else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.records import files
from bench.records.machine_facts import MachineFacts
from bench.records.run_record import RunRecord
from bench.records.run_store import RunStore
from bench.records.speed_record import SpeedRecord
from bench.records.speed_store import SpeedStore
from bench.reporting import legends, page_rows, peers_table, runs_table, speed_table
from bench.reporting.answer import LOOKS, answer, list_shown
from bench.reporting.command_lines import write_commands, write_speed_command
from bench.reporting.figures import Drawing, draw_figures
from bench.reporting.figures.inline import VARIABLES, inline_svg
from bench.reporting.figures.speed import draw_speed_figures
from bench.reporting.figures.style import PAGE, bare, slug
from bench.reporting.findings import Evidence
from bench.reporting.formats import Table
from bench.reporting.page_rows import PageTable

TEMPLATE = Path(__file__).with_name("page.html")
FIRST = ("front", "pareto", "beta", "pose_shift", "crossover", "nodes", "batch")  # figures on view
UNFINISHED = "not finished: "


@dataclass(frozen=True)
class Section:
    """A table with its figures, those on view and those behind a click, and what did not finish."""

    label: str
    table: PageTable
    figures: list[Drawing]
    more: list[Drawing]
    unfinished: list[str]

    @property
    def anchor(self) -> str:
        """The end of a link to it."""
        return slug(self.label)


@dataclass(frozen=True)
class Entry:
    """A configuration among the records: what it is, its command, and a file for each seed."""

    key: str
    name: str
    command: str
    files: list[tuple[str, str]]
    task: str = ""

    @property
    def title(self) -> str:
        """Return its name with its task."""
        return f"{self.task}, {self.name}" if self.task else self.name


def write_page(root: Path, records: list[RunRecord], evidences: Sequence[Evidence]) -> Path:
    """Write root/report.html, which needs no other file to be read."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    timed = SpeedStore(root).load()[0]
    drawings = draw_figures(root, records, "svg", look=PAGE)
    tasks = [_task_section(root, one, drawings.get(one.task, [])) for one in evidences]
    sections = [*tasks, *_timed_sections(root)]
    overviews, answers = answer(evidences)
    entries = list(list_entries(root, records))
    page = environment.get_template(TEMPLATE.name).render(
        machine=root.name,
        sections=sections,
        families=[
            (name, list(own))
            for name, own in groupby(sections, key=lambda section: bare(section.label))
        ],
        overviews=overviews,
        answers=answers,
        shown=list_shown(answers),
        entries=entries,
        names={entry.key: entry.name for entry in entries},
        timed=list(_list_timed(root, timed)),
        machines=count_machines([*records, *timed]),
        runs=len(records),
        svg=lambda drawing: Markup(inline_svg(drawing.file, _label(drawing))),
        colour=VARIABLES.get,
        anchor=slug,
        looks=LOOKS,
    )
    return files.write_whole(root / "report.html", page)


def list_entries(root: Path, records: Iterable[RunRecord]) -> Iterator[Entry]:
    """Yield what is to be known of each configuration to check it and to make it again."""
    store = RunStore(root)
    order = sorted(records, key=lambda record: (*_name(record), record.key, record.run.seed))
    for (name, key), group in groupby(order, key=lambda record: (_name(record), record.key)):
        own = list(group)
        seeds = [
            (str(record.run.seed), store.path_of(record).relative_to(root).as_posix())
            for record in own
        ]
        (command,) = write_commands([own[0].run], own[-1].run.seed + 1)
        command += " --device cuda" if own[0].machine.gpu else ""
        task, *words = name
        yield Entry(key, ", ".join(words), command, seeds, task)


def count_machines(records: Iterable[RunRecord | SpeedRecord]) -> list[dict[str, Any]]:
    """Return the machines and versions that records were made with, how many, and when."""
    counts: dict[tuple[str, ...], list[MachineFacts]] = {}
    for record in records:
        facts = record.machine
        gpu = facts.gpu or "none"
        names = (facts.processor, gpu, facts.python, facts.torch, facts.e3nn, facts.dtype)
        counts.setdefault(names, []).append(facts)
    headings = ("processor", "GPU", "Python", "torch", "e3nn", "precision")
    return [
        dict(zip(headings, names, strict=True))
        | {"threads": ", ".join(sorted({str(one.threads) for one in facts}))}
        | {"records": len(facts), "days": _days(facts)}
        for names, facts in sorted(counts.items())
    ]


def _task_section(root: Path, evidence: Evidence, drawings: list[Drawing]) -> Section:
    table, rows = runs_table.fill_task(evidence.task, evidence.data, evidence.table, root.name)
    ties, beaten = page_rows.mark_best(evidence, rows)
    notes = [note for note in table.notes if not note.startswith(UNFINISHED)]
    unfinished = [note for note in table.notes if note.startswith(UNFINISHED)]
    cells = page_rows.runs_rows(table, rows, ties, beaten)
    legend = legends.explain_runs(table.headings)
    return Section(
        table.title,
        PageTable(table.title, table.headings, cells, notes, legend),
        *_split(drawings),
        [note.removeprefix(UNFINISHED) for note in unfinished],
    )


def _timed_sections(root: Path) -> Iterator[Section]:
    store = SpeedStore(root)
    if store.files():
        table, rows = speed_table.fill_table(root)
        cells = page_rows.plain_rows(table, rows, _speed_filters, lambda row: f"#t-{row['key']}")
        shown = PageTable("speed", table.headings, cells, _notes(root, table), legends.SPEED)
        yield Section("speed", shown, *_split(draw_speed_figures(root, "svg", PAGE)), [])
    if (root / "peers").is_dir():
        table, rows = peers_table.fill_table(root)
        cells = page_rows.plain_rows(table, rows, _peer_filters, lambda row: f"peers/{row['file']}")
        notes = _notes(root, table)
        shown = PageTable("other packages", table.headings, cells, notes, legends.PEERS)
        yield Section("other packages", shown, [], [], [])


def _notes(root: Path, table: Table) -> list[str]:
    """Return the notes of a table, files named from the page on, wherever it lies."""
    return [note.replace(f"{root}/", "") for note in table.notes]


def _split(drawings: list[Drawing]) -> tuple[list[Drawing], list[Drawing]]:
    first = [drawing for drawing in drawings if drawing.kind in FIRST]
    return first, [drawing for drawing in drawings if drawing not in first]


def _speed_filters(row: Mapping[str, Any]) -> dict[str, str]:
    family = "exactly equivariant" if row["equivariant"] else bare(row["model"])
    return {"family": family, "size": row["size"], "mode": row["rung"]}


def _peer_filters(row: Mapping[str, Any]) -> dict[str, str]:
    return {"job": row["job"], "size": row["size"]}


def _list_timed(root: Path, records: Iterable[SpeedRecord]) -> Iterator[Entry]:
    store = SpeedStore(root)
    for record in sorted(records, key=lambda record: str(record.cell)):
        file = store.path_of(record).relative_to(root).as_posix()
        yield Entry(record.key, str(record.cell), write_speed_command(record), [("record", file)])


def _label(drawing: Drawing) -> str:
    return f"{drawing.title}: {drawing.caption.partition(':')[0].partition('. ')[0]}"


def _name(record: RunRecord) -> tuple[str, ...]:
    run = record.run
    after = () if run.symmetrise == "none" else (run.symmetrise,)
    return str(run.task), f"{run.model} {run.method}", *after, f"{run.steps:,} steps"


def _days(facts: Iterable[MachineFacts]) -> str:
    days = sorted({one.date.partition("T")[0] for one in facts if one.date})
    return " to ".join(dict.fromkeys([*days[:1], *days[-1:]]))
