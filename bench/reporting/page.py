"""The report of a machine: one page with all its tables and figures, from records alone."""

import re
from collections.abc import Iterable
from html import escape
from pathlib import Path

from bench.records import files, speed_store
from bench.records.files import Record
from bench.reporting import aggregate, peers_table, runs_table, speed_table
from bench.reporting.figures import draw_figures, style
from bench.reporting.figures.drawing import Drawing
from bench.reporting.figures.speed import draw_speed_figures

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 90rem; margin: 2rem auto;
       padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 3rem; }
.facts, .notes { color: #666; font-size: 13px; } nav a { margin-right: 1.2em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th { border-bottom: 2px solid #222; } td { border-bottom: 1px solid #ddd; }
th, td { padding: .25em .7em; text-align: right; white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
tbody tr:hover { background: #f3f6fa; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(34rem, 1fr)); gap: 2rem;
           margin: 1.5rem 0; align-items: center; }
.figures img { width: 100%; }
"""


def write(root: Path, found: list[Record]) -> Path:
    """Draws what changed of the figures and writes root/report.html, which shows them."""
    figures, parts = {"speed": draw_speed_figures(root)}, {}
    if found:
        figures |= draw_figures(root, found)
        by_task = aggregate.frame(found).groupby("task")
        parts = {label: runs_table.render_task(part, root.name)["html"] for label, part in by_task}
    if speed_store.load(root)[0]:
        parts["speed"] = speed_table.forms(root)["html"]
    if (root / "peers").is_dir():
        parts["other packages"] = peers_table.forms(root)["html"]
    body = [_section(root, label, table, figures.get(label, ())) for label, table in parts.items()]
    links = [f'<a href="#{style.slug(label)}">{escape(label)}</a>' for label in parts]
    page = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(root.name)}</title><style>{STYLE}</style>",
        f"<h1>{escape(root.name)}</h1>",
        f'<p class="facts">{escape(facts(found))}</p>',
        f"<nav>{' '.join(links)}</nav>",
        *body,
        "</html>",
    ]
    return files.write_whole(root / "report.html", "\n".join(page) + "\n")


def facts(found: Iterable[Record]) -> str:
    """What the records were made with, and when."""
    machines = [record["machine"] for record in found if record["machine"]]
    if not machines:
        return ""
    names = ("processor", "gpu", "torch", "e3nn", "python")
    told = {name: sorted({str(m[name]) for m in machines if m.get(name)}) for name in names}
    versions = [
        f"{name} {', '.join(values)}" if name not in ("processor", "gpu") else ", ".join(values)
        for name, values in told.items()
        if values
    ]
    days = sorted(re.sub("T.*", "", machine["date"]) for machine in machines)
    return "; ".join([*versions, f"{len(machines)} runs from {days[0]} to {days[-1]}"])


def _section(root: Path, label: str, table: str, figures: Iterable[Drawing]) -> str:
    shown = [figure.file.relative_to(root).as_posix() for figure in figures]
    images = [
        f'<a href="{file}"><img src="{file}" alt="{Path(file).stem}" loading="lazy"></a>'
        for file in shown
    ]
    drawn = f'<div class="figures">{"".join(images)}</div>' if images else ""
    return f'<section id="{style.slug(label)}">{table}{drawn}</section>'
