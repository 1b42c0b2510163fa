"""What a sentence or a table of the findings may say of one task's rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.core import plugins
from bench.core.config import Plugin
from bench.reporting import comparisons
from bench.reporting.aggregate import AND, time_ratios
from bench.reporting.figures.scaling import COLUMNS, EXPONENTS, Learner, read_learners
from bench.reporting.findings.accuracy import is_unfinished
from bench.reporting.findings.claims import CONFIRMED, OPEN, REFUTED, Claim
from bench.reporting.findings.evidence import Evidence, Row, say_end, say_interval, say_span
from bench.reporting.formats import ABSENT
from bench.reporting.scaling_laws import Law, band, bootstrap_laws, fit_law


@dataclass(frozen=True)
class Comparison:
    """How many times as much one row errs as another, and what that says of a claim."""

    ratio: comparisons.ErrorRatio

    def __str__(self) -> str:
        few = f"; {self.ratio.seeds} seeds" * (self.ratio.seeds < comparisons.FEW_SEEDS)
        span = say_span(self.ratio.low, self.ratio.high)
        return f"{say_end(self.ratio.ratio)} times ({span}{few})"

    @property
    def seeds(self) -> int:
        """The seeds that both rows have."""
        return self.ratio.seeds

    @property
    def brief(self) -> str:
        """The ratio and its interval, for a table."""
        return say_interval(self.ratio.ratio, self.ratio.low, self.ratio.high)

    @property
    def less(self) -> str:
        """The verdict on the claim that it errs less."""
        return self._judge(
            CONFIRMED if self.ratio.is_better else REFUTED if self.ratio.is_worse else OPEN
        )

    @property
    def more(self) -> str:
        """The verdict on the claim that it errs more."""
        return self._judge(
            CONFIRMED if self.ratio.is_worse else REFUTED if self.ratio.is_better else OPEN
        )

    @property
    def no_more(self) -> str:
        """The verdict on the claim that it errs more by less than the margin."""
        return self._judge({True: CONFIRMED, False: REFUTED, None: OPEN}[self.ratio.is_within()])

    def _judge(self, verdict: str) -> str:
        return judge(verdict, self.ratio.seeds)


@dataclass(frozen=True)
class Change:
    """A difference, and the ends between which it lies in 19 of 20 draws."""

    value: float
    low: float
    high: float
    seeds: int

    @property
    def brief(self) -> str:
        """The difference and its ends."""
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"

    @property
    def is_there(self) -> str:
        """The verdict on the claim that there is one."""
        return judge(OPEN if self.low <= 0 <= self.high else CONFIRMED, self.seeds)


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

    def error(self, row: Row, score: str = "") -> str:
        """Return the mean error of a row with its interval, times 1,000, if it was measured."""
        errors = self.evidence.errors(row, score or self.score).values()
        if not errors:
            return ABSENT
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

    def by_key(self, key: str) -> Row:
        """Return the row with this key."""
        return next(row for row in self.evidence.rows if row["key"] == key)

    def weigh(self, claim: Claim) -> dict[str, str]:
        """Return the two rows that a claim rests on, and how they compare, as a table has it."""
        row, other = (self.by_key(key) for key in claim.rows)
        ratios = [say_interval(number.value, number.low, number.high) for number in claim.numbers]
        ratio = claim.numbers[0]
        limit = 1 + comparisons.MARGIN
        return {
            "row": self.evidence.name(row),
            "other": self.evidence.name(other),
            "state": "improving still" if is_unfinished(self.evidence, other) else "",
            "ratio": ratios[0],
            "turned": ratios[1] if len(ratios) > 1 else ABSENT,
            "seeds": str(ratio.seeds),
            "within": "yes" if ratio.high < limit else "no" if ratio.low > limit else "open",
        }

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
        runs = (record.run for record in self.evidence.records)
        seeds = {run.seed for run in runs if run.model.stem == network}
        return Change(change[0], *band([*change[1:]]), len(seeds))

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
