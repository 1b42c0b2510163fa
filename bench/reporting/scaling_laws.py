"""Power laws of the error in parameters and samples seen, and the least error for a compute."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.special import expit

from bench.records.run_record import RunRecord
from bench.reporting.aggregate import frame, summary

FEWEST = 3  # sizes and lengths of a law
EXPONENTS = {"compute": "compute", "alpha": "parameters", "beta": "samples seen"}
COLUMNS = ("size", "seen", "error", "flops")
DRAWS = 200
BAND = (0.025, 0.975)
STARTS = tuple(product((0.1, 0.4, 1.0), repeat=2))  # of both exponents
Learner = dict[str, Any]


class Law(NamedTuple):
    """The error is a size^-alpha + b seen^-beta; a and b are kept by their logarithms."""

    log_a: float
    alpha: float
    log_b: float
    beta: float

    def error(self, size: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Return the error of so many parameters after so many samples."""
        return np.exp(self.log_a - self.alpha * np.log(size)) + np.exp(
            self.log_b - self.beta * np.log(seen)
        )

    def best_error(self, compute: np.ndarray) -> np.ndarray:
        """Return the least error of all sizes for which size times samples is the compute."""
        ratio = self.log_a + np.log(self.alpha) - self.log_b - np.log(self.beta)
        size = np.exp(ratio / (self.alpha + self.beta)) * compute**self.growth
        return self.error(size, compute / size)

    @property
    def compute(self) -> float:
        """The exponent with which the least error falls with compute."""
        return self.alpha * self.growth

    @property
    def growth(self) -> float:
        """The exponent with which the best size grows with compute."""
        return self.beta / (self.alpha + self.beta)


def read_learners(records: list[RunRecord]) -> list[Learner]:
    """Return each network and method that was trained in several sizes and lengths.

    With parameters, samples seen, FLOPs of training and error of every run.
    """
    done = [r for r in records if r.status == "done" and r.run.symmetrise == "none"]
    if len({record.run.steps for record in done}) < FEWEST:
        return []
    data = frame(done)
    methods = dict(summary(data)[["key", "method"]].to_numpy())  # of each search, the best rate's
    flops = {r.key: r.counters["step_flops"] for r in done if r.counters.get("step_flops")}
    data = data.assign(method=data["key"].map(methods), flops=data["key"].map(flops))
    data = data.dropna(subset=["method", "parameters", "flops", "mse_test"])
    return [
        {"network": network, "method": method, "exact": bool(own["equivariant"].iloc[0])}
        | _columns(own)
        for (network, method), own in data.groupby(["network", "method"])
        if _is_grid(own)
    ]


def _is_grid(rows: pd.DataFrame) -> bool:
    cells = rows[["parameters", "steps"]].drop_duplicates()
    sizes, lengths = cells.nunique()
    return min(sizes, lengths) >= FEWEST and len(cells) == sizes * lengths


def _columns(rows: pd.DataFrame) -> dict[str, list[float]]:
    rows = rows.sort_values(["parameters", "steps", "seed"])
    return {
        "size": rows["parameters"].tolist(),
        "seen": (rows["steps"] * rows["batch_size"]).tolist(),
        "flops": (rows["steps"] * rows["flops"]).tolist(),
        "error": rows["mse_test"].tolist(),
    }


def fit_law(
    size: np.ndarray,
    seen: np.ndarray,
    error: np.ndarray,
    starts: tuple[tuple[float, float], ...] = STARTS,
) -> Law:
    """Return the law of least squares on the logarithm of the error, the best of several starts.

    Exponents are fitted as squares, so that none is negative.
    """
    logs = [np.log(values) for values in (size, seen, error)]
    x, y, level = logs[0] - logs[0].mean(), logs[1] - logs[1].mean(), logs[2]

    def residuals(p: np.ndarray) -> np.ndarray:
        return np.logaddexp(p[0] - p[1] ** 2 * x, p[2] - p[3] ** 2 * y) - level

    def slopes(p: np.ndarray) -> np.ndarray:
        share = expit(p[0] - p[1] ** 2 * x - p[2] + p[3] ** 2 * y)  # of the first term
        other = 1 - share
        return np.stack([share, -2 * p[1] * share * x, other, -2 * p[3] * other * y], -1)

    half = level.mean() - np.log(2)
    fits = [
        least_squares(residuals, (half, alpha**0.5, half, beta**0.5), slopes, method="lm")
        for alpha, beta in starts
    ]
    log_a, root_alpha, log_b, root_beta = min(fits, key=lambda fit: fit.cost).x
    alpha, beta = root_alpha**2, root_beta**2
    log_a, log_b = log_a + alpha * logs[0].mean(), log_b + beta * logs[1].mean()
    return Law(*map(float, (log_a, alpha, log_b, beta)))


def bootstrap_laws(
    size: np.ndarray, seen: np.ndarray, error: np.ndarray, draws: int = DRAWS, seed: int = 0
) -> list[Law]:
    """Return laws of so many draws of runs with replacement, each fitted from that of all runs."""
    law, generator = fit_law(size, seen, error), np.random.default_rng(seed)
    start = ((law.alpha, law.beta),)
    picks = generator.integers(len(error), size=(draws, len(error)))
    return [fit_law(size[pick], seen[pick], error[pick], start) for pick in picks]


def band(values: list[np.ndarray] | list[float]) -> np.ndarray:
    """Return the ends between which lie 19 in 20 of the values, place by place."""
    return np.quantile(np.array(values), BAND, axis=0)
