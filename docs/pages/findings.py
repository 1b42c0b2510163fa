"""findings.md: its template with numbers and verdicts from the published records."""

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import jinja2

from bench.core import notation, plugins
from bench.core.config import canonical
from bench.records.run_store import RunStore
from bench.reporting import findings, formats, published
from bench.reporting.findings.evidence import Evidence, Row
from bench.reporting.study import Study, Written
from bench.reporting.verdicts import Comparison, judge
from pages import gpu
from pages.published import PUBLISHED

TEMPLATE = Path(__file__).with_name("findings.md.jinja")
SPACE = ("nbody_", "m")  # how the names of tasks in space begin


def write_page() -> str:
    """Return the page that today's records give."""
    tasks = collect()

    def study(task: str, score: str = "mse_test") -> Study:
        return Study(*tasks[str(notation.parse("tasks", task))], score)

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown
    )
    environment.filters["kind"] = lambda task: task.partition("(")[0]
    page = environment.get_template(TEMPLATE.name)
    claims = by_claim(evidence for evidence, _ in tasks.values())
    studies = {task: Study(*found) for task, found in tasks.items() if task.startswith(SPACE)}
    done = {
        canonical(run, seed=0)
        for evidence, _ in tasks.values()
        for run in evidence.configurations.values()
    }

    def lacking(sweep: str) -> list[str]:
        """Return the rows of a sweep that no record has, as tables name them."""
        rows: dict[str, list[str]] = {}
        for run in plugins.load("sweeps", sweep).runs():
            if run.seed == 0 and canonical(run) not in done:
                rows.setdefault(str(run.model), []).append(f"{run.method} ({run.steps:,} steps)")
        return [f"`{model}` with {', '.join(dict.fromkeys(own))}" for model, own in rows.items()]

    return page.render(
        study=study,
        claims=claims,
        studies=studies,
        paper=published.errors("nbody_gravity"),
        paper_walk=published.errors("mocap(subject=walk)"),
        paper_charged=published.errors("nbody_charged"),
        lacking=lacking,
        overfit=overfit,
        compare_all=compare_all,
        gpu=gpu,
    )


def compare_all(
    studies: dict[int, Study], row: Written, other: Written, score: str = ""
) -> dict[int, Comparison]:
    """Return how two rows compare in each study."""
    return {
        samples: one.compare(one.row(*row), one.row(*other), score)
        for samples, one in studies.items()
    }


def overfit(study: Study, row: Row) -> str:
    """Return how many times its least the validation error is at the end, seed by seed."""
    store = RunStore(PUBLISHED / study.machine)
    runs = [record.run for record in study.evidence.records if record.key == row["key"]]
    files = [store.curve_path(run, row["key"]) for run in sorted(runs, key=lambda run: run.seed)]
    return ", ".join(map(_say_overfit, files))


def _say_overfit(curve: Path) -> str:
    with curve.open(newline="") as file:
        errors = [float(line["mse_val"]) for line in csv.DictReader(file) if line["mse_val"]]
    return formats.plain(errors[-1] / min(errors), 2)


def collect() -> dict[str, tuple[Evidence, str]]:
    """Return the evidence of each task, of the machine that has most of its runs, and its name."""
    found = [
        (evidence, root.name)
        for root in sorted(PUBLISHED.iterdir())
        if (root / "runs").is_dir()
        for evidence in findings.collect_evidence(RunStore(root).load()[0])
    ]
    found.sort(key=lambda one: len(one[0].runs))
    by_task = {evidence.task: (evidence, machine) for evidence, machine in found}
    return {task: by_task[task] for task in sorted(by_task)}


def by_claim(evidences: Iterable[Evidence]) -> dict[str, list[findings.Claim]]:
    """Return the verdicts that rest on rows, by the claim of the abstract."""
    verdicts = [
        replace(claim, verdict=judge(claim.verdict, min(n.seeds for n in claim.numbers)))
        for claim in findings.claims(evidences)
        if claim.rows and claim.task.startswith(SPACE)
    ]
    names = dict.fromkeys(claim.claim for claim in verdicts)
    return {name: [claim for claim in verdicts if claim.claim == name] for name in names}
