"""Writes docs/findings.md: its template with numbers and verdicts from the published records.

`python docs/make_findings.py` from the checkout; a test compares what it makes with what is there.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.core import plugins  # noqa: E402 - after the path of the checkout
from bench.core.config import Plugin  # noqa: E402
from bench.records.run_store import RunStore  # noqa: E402
from bench.reporting import findings  # noqa: E402
from bench.reporting.aggregate import AND, time_ratios  # noqa: E402
from bench.reporting.comparisons import ErrorRatio, mean_interval, median_interval  # noqa: E402
from bench.reporting.figures.scaling import COLUMNS, EXPONENTS, read_learners  # noqa: E402
from bench.reporting.findings.evidence import Evidence, Row, say_ends, say_interval  # noqa: E402
from bench.reporting.formats import ABSENT, plain  # noqa: E402
from bench.reporting.scaling_laws import band, bootstrap_laws, fit_law  # noqa: E402

TEMPLATE, PAGE = ROOT / "docs" / "findings.md.jinja", ROOT / "docs" / "findings.md"
PUBLISHED = ROOT / "results" / "published"
TRUE, FALSE, OPEN = "confirmed", "refuted", "undecided"


@dataclass(frozen=True)
class Comparison:
    """How many times as much one row errs as another, and what that says of a claim."""

    ratio: ErrorRatio

    def __str__(self) -> str:
        return f"{plain(self.ratio.ratio, 3)} times ({say_ends(self.ratio)})"

    @property
    def less(self) -> str:
        """The verdict on the claim that it errs less."""
        return TRUE if self.ratio.is_better else FALSE if self.ratio.is_worse else OPEN

    @property
    def more(self) -> str:
        """The verdict on the claim that it errs more."""
        return TRUE if self.ratio.is_worse else FALSE if self.ratio.is_better else OPEN

    @property
    def no_more(self) -> str:
        """The verdict on the claim that it errs more by less than the margin."""
        return {True: TRUE, False: FALSE, None: OPEN}[self.ratio.is_within()]


@dataclass(frozen=True)
class Change:
    """A difference, and the ends between which it lies in 19 of 20 draws."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"

    @property
    def is_there(self) -> str:
        """The verdict on the claim that there is one."""
        return OPEN if self.low <= 0 <= self.high else TRUE


@dataclass(frozen=True)
class Study:
    """The rows of a task, and what a sentence may say of them.

    A row is written as `run` takes it: model, method and steps.
    """

    evidence: Evidence
    machine: str
    score: str = "mse_test"

    def row(self, model: str, method: str = "plain", steps: int = 0, *more: str) -> Row:
        """Return the row, of the study's usual steps. Raises `ValueError` unless there is one.

        `more` is what a table writes behind the method, such as the optimiser and `tuned`.
        """
        network, trained = plugins.parse("models", model), plugins.parse("methods", method)
        label = str(Plugin(network.stem, network.kwargs))
        wanted = (label, AND.join([str(trained), *more]), steps or self.evidence.usual_steps)
        keys = ("label", "method", "steps")
        rows = [row for row in self.evidence.rows if tuple(row[key] for key in keys) == wanted]
        if len(rows) != 1:
            raise ValueError(f"{self.evidence.task} has {len(rows)} rows {wanted}, not one")
        return rows[0]

    def error(self, row: Row) -> str:
        """Return the mean error of a row with its interval, times 1,000."""
        errors = self.evidence.errors(row, self.score).values()
        return say_interval(*mean_interval([1e3 * error for error in errors]))

    def compare(self, row: Row, other: Row, score: str = "") -> Comparison:
        """Return how errors compare. Raises `ValueError` if the rows share no seed."""
        ratio = self.evidence.compare(row, other, score or self.score)
        if ratio is None:
            raise ValueError(f"{row['label']} and {other['label']} share no seed")
        return Comparison(ratio)

    def faster(self, row: Row, other: Row, kind: str = "inference") -> str:
        """Return how many times faster a row is than another, in one session."""
        ratios = time_ratios(other, row, kind)
        return f"{median_interval(ratios)[0]:.2g}" if ratios else ABSENT

    def compute(self, row: Row, other: Row) -> str:
        """Return how many times the FLOPs of another row's training a row's training took."""
        flops = {
            record.key: record.run.steps * record.counters["step_flops"]
            for record in self.evidence.records
            if record.key in (row["key"], other["key"])
        }
        return f"{flops[row['key']] / flops[other['key']]:.2g} times"

    def change_power(self, network: str, method: str, other: str) -> "Change":
        """Return by how much the power of compute changes from one method to another."""
        powers = []
        for learner in read_learners(self.evidence.records):
            if learner["network"] == network and learner["method"] in (method, other):
                columns = [np.array(learner[name], float) for name in COLUMNS[:3]]
                laws = [fit_law(*columns), *bootstrap_laws(*columns, seed=len(powers))]
                powers.append((learner["method"], np.array([law.compute for law in laws])))
        by_method = dict(powers)
        change = by_method[method] - by_method[other]
        return Change(change[0], *band([*change[1:]]))

    def fit_laws(self) -> Iterator[dict[str, str]]:
        """Yield the exponents with which the errors of each network and method fall."""
        for learner in read_learners(self.evidence.records):
            columns = [np.array(learner[name], float) for name in COLUMNS[:3]]
            law, draws = fit_law(*columns), bootstrap_laws(*columns)
            named = {"network": learner["network"], "method": learner["method"]}
            for name in (*EXPONENTS, "growth"):
                low, high = band([getattr(draw, name) for draw in draws])
                named[name] = f"{getattr(law, name):.2f} ({low:.2f} to {high:.2f})"
            yield named


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(fill(""))


def fill(_page: str) -> str:
    """Return the page that today's records give, whatever it said before."""
    tasks = collect()

    def study(task: str, score: str = "mse_test") -> Study:
        return Study(*tasks[str(plugins.parse("tasks", task))], score)

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown
    )
    page = environment.get_template(TEMPLATE.name)
    return page.render(study=study, claims=by_claim(evidence for evidence, _ in tasks.values()))


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
    verdicts = [claim for claim in findings.claims(evidences) if claim.rows]
    names = dict.fromkeys(claim.claim for claim in verdicts)
    return {name: [claim for claim in verdicts if claim.claim == name] for name in names}


if __name__ == "__main__":
    main()
