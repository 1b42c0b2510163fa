"""Writes docs/findings.md: its template with numbers and verdicts from the published records.

`python docs/make_findings.py` from the checkout; a test compares what it makes with what is there.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.core import plugins  # noqa: E402 - after the path of the checkout
from bench.core.config import Plugin  # noqa: E402
from bench.records.run_store import RunStore  # noqa: E402
from bench.reporting import comparisons, findings  # noqa: E402
from bench.reporting.aggregate import AND, time_ratios  # noqa: E402
from bench.reporting.figures.scaling import COLUMNS, EXPONENTS, Learner, read_learners  # noqa: E402
from bench.reporting.findings.evidence import Evidence, Row, say_ends, say_interval  # noqa: E402
from bench.reporting.formats import ABSENT, plain  # noqa: E402
from bench.reporting.scaling_laws import Law, band, bootstrap_laws, fit_law  # noqa: E402

TEMPLATE, PAGE = ROOT / "docs" / "findings.md.jinja", ROOT / "docs" / "findings.md"
PUBLISHED = ROOT / "results" / "published"
SPACE = ("nbody_", "m")  # how the names of tasks in space begin
TRUE, FALSE, OPEN = "confirmed", "refuted", "undecided"


@dataclass(frozen=True)
class Comparison:
    """How many times as much one row errs as another, and what that says of a claim."""

    ratio: comparisons.ErrorRatio

    def __str__(self) -> str:
        return f"{plain(self.ratio.ratio, 3)} times ({say_ends(self.ratio)})"

    @property
    def brief(self) -> str:
        """The ratio and its interval, for a table."""
        return say_interval(self.ratio.ratio, self.ratio.low, self.ratio.high)

    @property
    def less(self) -> str:
        """The verdict on the claim that it errs less."""
        return self._judge(TRUE if self.ratio.is_better else FALSE if self.ratio.is_worse else OPEN)

    @property
    def more(self) -> str:
        """The verdict on the claim that it errs more."""
        return self._judge(TRUE if self.ratio.is_worse else FALSE if self.ratio.is_better else OPEN)

    @property
    def no_more(self) -> str:
        """The verdict on the claim that it errs more by less than the margin."""
        return self._judge({True: TRUE, False: FALSE, None: OPEN}[self.ratio.is_within()])

    def _judge(self, verdict: str) -> str:
        return judge(verdict, self.ratio.seeds)


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


def judge(verdict: str, seeds: int) -> str:
    """Return a verdict, called a hint where it rests on few seeds."""
    return verdict if seeds >= comparisons.FEW_SEEDS or verdict == OPEN else f"hint: {verdict}"


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
        middle, low, high = comparisons.mean_interval([1e3 * error for error in errors])
        return say_interval(middle, max(0.0, low), high)

    def best_steps(self, row: Row) -> tuple[float, float]:
        """Return the least and the largest step at which a seed's weights were kept."""
        steps = self.evidence.errors(row, "best_step").values()
        return min(steps), max(steps)

    def compare(self, row: Row, other: Row, score: str = "") -> Comparison:
        """Return how errors compare. Raises `ValueError` if the rows share no seed."""
        ratio = self.evidence.compare(row, other, score or self.score)
        if ratio is None:
            raise ValueError(f"{row['label']} and {other['label']} share no seed")
        return Comparison(ratio)

    def faster(self, row: Row, other: Row, kind: str = "inference") -> str:
        """Return how many times faster a row is than another, in one session."""
        ratios = time_ratios(other, row, kind)
        return f"{comparisons.median_interval(ratios)[0]:.2g}" if ratios else ABSENT

    def set_beside(self) -> Iterator[dict[str, str]]:
        """Yield what the largest beta of each network comes to beside other ways to train it."""
        rows = [row for row in self.evidence.rows if row["steps"] == self.evidence.usual_steps]
        by_name = {(row["label"], row["method"]): row for row in rows}
        betas: dict[tuple[str, str], dict[float, Row]] = {}
        for row in rows:
            run = self.evidence.configurations[row["key"]]
            if run.method.stem == "remul" and run.symmetrise == "none":
                options = {k: v for k, v in run.method.kwargs.items() if k != "beta"}
                rival = str(Plugin("augment", options))
                beta = run.method.kwargs.get("beta", 1.0)
                betas.setdefault((row["label"], rival), {})[beta] = row
        for (label, rival), own in betas.items():
            augment, bare = by_name.get((label, rival)), by_name.get((label, "plain"))
            if augment and bare and own[max(own)]["seeds"] > 1:
                yield self._set_beside(own[max(own)], bare, augment)

    def _set_beside(self, row: Row, bare: Row, augment: Row) -> dict[str, str]:
        turned = "mse_ood" if self.evidence.errors(row, "mse_ood") else ""

        def times(other: Row, score: str) -> str:
            return self.compare(row, other, score).brief if score else ABSENT

        return {
            "label": row["label"],
            "method": row["method"],
            "seeds": str(row["seeds"]),
            "plain": times(bare, "mse_test"),
            "plain_turned": times(bare, turned),
            "augment": times(augment, "mse_test"),
            "augment_turned": times(augment, turned),
            "symmetry": times(augment, "expected_error_test"),
            "side": self.compare(row, augment, "expected_error_test").more.removeprefix("hint: "),
        }

    def flops(self, row: Row, other: Row) -> str:
        """Return how many times the FLOPs of another row's training a row's training took.

        That of a network that learns nothing is none.
        """
        flops = {
            record.key: record.run.steps * record.counters["step_flops"]
            for record in self.evidence.records
            if record.key in (row["key"], other["key"]) and record.counters.get("step_flops")
        }
        both = row["key"] in flops
        return f"{flops[row['key']] / flops[other['key']]:.2g}" if both else ABSENT

    def change_power(self, network: str, method: str, other: str) -> Change:
        """Return by how much the power of compute changes from one method to another."""
        powers = {
            learner["method"]: np.array([law.compute for law in _fit(learner, seed)])
            for seed, learner in enumerate(read_learners(self.evidence.records))
            if learner["network"] == network
        }
        change = powers[method] - powers[other]
        return Change(change[0], *band([*change[1:]]))

    def fit_laws(self) -> Iterator[dict[str, str]]:
        """Yield the exponents with which the errors of each network and method fall."""
        for learner in read_learners(self.evidence.records):
            law, *draws = _fit(learner)
            size, seen, error = _columns(learner)
            misfit = np.log(law.error(size, seen) / error)
            named = {"network": learner["network"], "method": learner["method"]}
            named["misfit"] = f"{100 * np.sqrt(np.mean(misfit**2)):.0f} %"
            for name in (*EXPONENTS, "growth"):
                low, high = band([getattr(draw, name) for draw in draws])
                named[name] = f"{getattr(law, name):.2f} ({low:.2f} to {high:.2f})"
            yield named


def _columns(learner: Learner) -> list[np.ndarray]:
    return [np.array(learner[name], float) for name in COLUMNS[:3]]


def _fit(learner: Learner, seed: int = 0) -> list[Law]:
    """Return the law of all runs, and those of draws of them."""
    return [fit_law(*_columns(learner)), *bootstrap_laws(*_columns(learner), seed=seed)]


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
    claims = by_claim(evidence for evidence, _ in tasks.values())
    studies = {task: Study(*found) for task, found in tasks.items() if task.startswith(SPACE)}
    return page.render(study=study, claims=claims, studies=studies)


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


if __name__ == "__main__":
    main()
