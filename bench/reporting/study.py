"""What a sentence or a table of the findings may say of one task's rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.core import notation
from bench.core.config import Plugin
from bench.reporting import comparisons
from bench.reporting.aggregate import AND, time_ratios
from bench.reporting.findings.accuracy import compare_flops, is_unfinished
from bench.reporting.findings.claim import OPEN, Claim
from bench.reporting.findings.evidence import NO, YES, Evidence, Row, say_end, say_interval
from bench.reporting.formats import ABSENT, plain
from bench.reporting.scaling_laws import (
    COLUMNS,
    EXPONENTS,
    Law,
    Learner,
    band,
    bootstrap_laws,
    fit_law,
    read_learners,
)
from bench.reporting.verdicts import Change, Comparison, judge

Written = tuple[str, str, int]  # model, method and steps, as `run` takes them


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
        network, trained = notation.parse("models", model), notation.parse("methods", method)
        wanted = (
            network.label,
            AND.join([str(trained), *more]),
            steps or self.evidence.usual_steps,
        )
        keys = ("label", "method", "steps")
        rows = [row for row in self.evidence.rows if tuple(row[key] for key in keys) == wanted]
        if len(rows) != 1:
            raise ValueError(f"{self.evidence.task} has {len(rows)} rows {wanted}, not one")
        return rows[0]

    def find_long(self, steps: int) -> list[Row]:
        """Return the rows of so many steps or more, by name."""
        rows = [row for row in self.evidence.usual.rows if row["steps"] >= steps]
        return sorted(rows, key=lambda row: (row["label"], row["method"], row["steps"]))

    def error(self, row: Row, score: str = "", scale: float = 1e3) -> str:
        """Return the mean error of a row with its interval, times 1,000, if it was measured."""
        errors = self.evidence.errors(row, score or self.score).values()
        if not errors:
            return ABSENT
        middle, low, high = comparisons.mean_interval([scale * error for error in errors])
        ends = f" ({plain(max(0.0, low), 3)} to {plain(high, 3)})" if len(errors) > 1 else ""
        return plain(middle, 3) + ends

    def best_steps(self, row: Row) -> tuple[float, float]:
        """Return the least and the largest step at which a seed's weights were kept."""
        steps = self.evidence.errors(row, "best_step").values()
        return min(steps), max(steps)

    def kept_steps(self, row: Row) -> str:
        """Return the step at which each seed's weights were kept."""
        steps = self.evidence.errors(row, "best_step")
        return ", ".join(f"{steps[seed]:,.0f}" for seed in sorted(steps))

    def compare(self, row: Row, other: Row, score: str = "") -> Comparison:
        """Return how errors compare. Raises `ValueError` if the rows share no seed."""
        ratio = self.evidence.compare(row, other, score or self.score)
        if ratio is None:
            raise ValueError(f"{row['label']} and {other['label']} share no seed")
        return Comparison(ratio)

    def by_seed(self, row: Row, other: Row, score: str = "") -> str:
        """Return how many times as much a row errs as another, seed by seed."""
        errors, others = (self.evidence.errors(one, score or self.score) for one in (row, other))
        return ", ".join(
            say_end(errors[seed] / others[seed]) for seed in sorted(errors.keys() & others.keys())
        )

    def compare_rates(self, one: Written, other: Written) -> Iterator[tuple[float, Comparison]]:
        """Yield how two ways of training compare at each learning rate of Adam that both had."""
        errors, others = self._read_rates(*one), self._read_rates(*other)
        for rate in sorted(errors.keys() & others.keys()):
            yield rate, Comparison(comparisons.compare_errors(errors[rate], others[rate]))

    def _read_rates(self, model: str, method: str, steps: int) -> dict[float, dict[int, float]]:
        plugin = notation.parse("models", model), notation.parse("methods", method)
        found: dict[float, dict[int, float]] = {}
        for record in self.evidence.records:
            run = record.run
            trained = (run.model, run.method, run.steps, run.optimiser, run.symmetrise)
            if trained == (*plugin, steps, "adam", "none") and self.score in record.scores:
                found.setdefault(run.lr, {})[run.seed] = record.scores[self.score]
        return found

    def faster(self, row: Row, other: Row, kind: str = "inference") -> str:
        """Return how many times faster a row is than another, in one session."""
        ratios = time_ratios(other, row, kind)
        return f"{comparisons.median_interval(ratios)[0]:.2g}" if ratios else ABSENT

    def weigh(self, claim: Claim) -> dict[str, Any]:
        """Return the rows that a claim rests on, and its numbers, as a table has them."""
        rows = [self.evidence.by_key(key) for key in claim.rows]
        said = [say_interval(number.value, number.low, number.high) for number in claim.numbers]
        median = self._compare_medians(*rows[:2], "test")
        return {
            "names": [*(self.evidence.name(row) for row in rows), ABSENT],
            "numbers": [*said, ABSENT],
            "state": ", improving still" * is_unfinished(self.evidence, rows[1]),
            "seeds": claim.numbers[0].seeds,
            "within": self._judge_margin(claim, rows[:2], "test"),
            "turned": self._judge_margin(claim, rows[:2], "ood"),
            "median": median.brief if median else ABSENT,
        }

    def _judge_margin(self, claim: Claim, rows: Sequence[Row], split: str) -> str:
        """Return whether the first row errs more than the second by less than the margin.

        By the mean; but where the median says otherwise, few samples make it, and it is undecided.
        """
        numbers = dict(zip(("test", "ood"), claim.numbers, strict=False))
        if split not in numbers:
            return ABSENT
        number, limit = numbers[split], 1 + comparisons.MARGIN
        within = YES if number.high < limit else NO if number.low > limit else OPEN
        median = self._compare_medians(*rows, split)
        few_make_it = within == YES and median and median.ratio.is_within() is False
        return judge(OPEN if few_make_it else within, number.seeds)

    def _compare_medians(self, row: Row, other: Row, split: str) -> Comparison | None:
        """Return how the medians of squared errors compare, if both were measured."""
        score = f"squared_error_median_{split}"
        known = all(self.evidence.errors(one, score) for one in (row, other))
        return self.compare(row, other, score) if known else None

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
            "side": self.compare(row, augment, "expected_error_test").side,
        }

    def flops(self, row: Row, other: Row) -> str:
        """Return how many times the FLOPs of another row's training a row's training took.

        That of a network that learns nothing is none.
        """
        times = compare_flops(self.evidence, row, other)
        return ABSENT if times is None else plain(times, 2)

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
