"""The report of a machine: one page with all its tables and figures, from records alone."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from bench.records import files
from bench.records.run_record import RunRecord
from bench.records.speed_store import SpeedStore
from bench.reporting import legends, peers_table, runs_table, speed_table
from bench.reporting.aggregate import frame
from bench.reporting.figures import Drawing, draw_figures
from bench.reporting.figures.speed import draw_speed_figures
from bench.reporting.figures.style import slug
from bench.reporting.formats import Table

TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Section:
    """A table, what its headings mean, and its figures."""

    label: str
    table: Table
    legend: Mapping[str, str]
    drawings: Iterable[Drawing]

    @property
    def anchor(self) -> str:
        """The end of a link to it."""
        return slug(self.label)


def write_page(root: Path, records: list[RunRecord]) -> Path:
    """Draw what changed of the figures and write root/report.html, which shows all of them."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    sections = list(_sections(root, records))
    page = environment.get_template(TEMPLATE.name).render(
        machine=root.name,
        facts=facts(records),
        sections=sections,
        terms_of=lambda section: _terms(section, sections),
        size=_size,
        root=root,
    )
    return files.write_whole(root / "report.html", page)


def facts(records: Iterable[RunRecord]) -> str:
    """Return what the records were made with, and when."""
    machines = [record.machine for record in records if record.machine.date]
    if not machines:
        return ""
    names = ("processor", "gpu", "torch", "e3nn", "python")
    values = {
        name: sorted({str(getattr(m, name)) for m in machines if getattr(m, name)})
        for name in names
    }
    versions = [
        f"{name} {', '.join(some)}" if name not in ("processor", "gpu") else ", ".join(some)
        for name, some in values.items()
        if some
    ]
    days = sorted(re.sub("T.*", "", machine.date) for machine in machines)
    return "; ".join([*versions, f"{len(machines)} runs from {days[0]} to {days[-1]}"])


def _sections(root: Path, records: list[RunRecord]) -> Iterator[Section]:
    drawings = draw_figures(root, records)
    for table, _ in runs_table.fill_tables(frame(records), root.name) if records else ():
        yield Section(table.title, table, legends.RUNS, drawings.get(table.title, ()))
    if SpeedStore(root).load()[0]:
        table, _ = speed_table.fill_table(root)
        yield Section("speed", table, legends.SPEED, draw_speed_figures(root))
    if (root / "peers").is_dir():
        table, _ = peers_table.fill_table(root)
        yield Section("other packages", table, legends.PEERS, ())


def _size(file: Path) -> tuple[int, int]:
    """Return width and height of a figure in pixels."""
    with Image.open(file) as image:
        return image.size


def _terms(section: Section, sections: list[Section]) -> tuple[dict[str, str], Section | None]:
    """Return what headings mean that no table of the kind above has, and the first such table."""
    above = [
        other for other in sections[: sections.index(section)] if other.legend is section.legend
    ]
    known = {heading for other in above for heading in other.table.headings}
    new = [heading for heading in section.table.headings if heading not in known]
    terms = {heading: section.legend[heading] for heading in new if heading in section.legend}
    return terms, above[0] if above else None
