"""What is asked of the ways to learn a symmetry, and what their records reach, seed by seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.records.run_record import RunRecord
from bench.reporting.aggregate import OWN, frame, keep_current
from bench.reporting.formats import ABSENT

Values = Callable[["Scores"], pd.Series]


@dataclass(frozen=True)
class Scores:
    """The runs that are done, and a look at a score of some of them."""

    runs: pd.DataFrame

    def of(self, score: str, task: str, network: str = "", method: str = "") -> pd.Series:
        """Return a score by seed, of the runs of a task whose network and method hold the words.

        Raises `ValueError` where these are several runs of a seed.
        """
        own = self.runs[self.runs["task"] == task]
        own = own[own["label"].str.contains(network, regex=False)]
        own = own[own["method"].str.contains(method, regex=False)]
        if own["seed"].duplicated().any():
            rows = ", ".join(sorted({*(own["label"] + " " + own["method"])}))
            raise ValueError(f"several runs of one seed on {task}, where one is asked for: {rows}")
        column = score if score in own else OWN + score
        if column not in own:
            return pd.Series(dtype=float)
        return own.set_index("seed")[column].dropna()


@dataclass(frozen=True)
class Claim:
    """A sentence, the value that it is about, and between which bounds that has to lie."""

    words: str
    values: Values
    low: float = -np.inf
    high: float = np.inf

    @property
    def wanted(self) -> str:
        """The bounds in words."""
        ends = [f"{sign} {end:g}" for sign, end in ((">", self.low), ("<", self.high))]
        return " and ".join(end for end in ends if "inf" not in end)


def list_claims() -> Iterator[Claim]:
    """Yield what is asked of each system."""
    yield from _evidence_claims()
    yield from _sharing_claims()
    yield from _msr_claims()
    yield from _amortise_claims()


def _map(kind: str, score: str) -> Values:
    return lambda s: s.of(score, f"linear_maps(kind={kind})", method="evidence")


def _evidence_claims() -> Iterator[Claim]:
    def gap(s: Scores) -> pd.Series:
        free, conv = (_map("circulant", f"{way}_precision")(s) for way in ("free", "conv"))
        return np.log(free / conv)

    def log_free(s: Scores) -> pd.Series:
        return np.log(_map("unstructured", "free_precision")(s))

    yield Claim(
        "`evidence`, circulant: log precision of the free path over the other's", gap, low=4
    )
    yield Claim("... weights of the free path", _map("circulant", "free_dimension"), high=10)
    yield Claim("... error of least squares", _map("circulant", "of_least_squares"), high=0.25)
    yield Claim("unstructured: log precision of the free path", log_free, high=3)
    yield Claim("... weights of the free path", _map("unstructured", "free_dimension"), low=55)
    yield Claim("part: weights of the free path", _map("mixed", "free_dimension"), 10, 55)
    for kind in ("circulant", "unstructured", "mixed"):
        yield Claim(f"{kind}: learned noise", _map(kind, "sigma"), 0.27, 0.33)
    points = "nbody_gravity(ood=500, test=500, val=500)"
    for words, score, high in (("weights of the free path, of 668", "free_dimension", 67),
                               ("relative error", "equivariance_error_test", 0.1)):  # fmt: skip
        yield Claim(f"gravity, which has the symmetry: {words}",
                    lambda s, score=score: s.of(score, points, "cloud", "evidence"),
                    high=high)  # fmt: skip
    for words, task in (("digits", "quadrants(train=64, where=False)"),
                        ("quadrants", "quadrants(train=160, where=True)")):  # fmt: skip
        yield from _class_claims(words, task)


def _class_claims(words: str, task: str) -> Iterator[Claim]:
    def learned(s: Scores, score: str) -> pd.Series:
        return s.of(score, task, "channels=5, kernel=4)", "learn=True")

    def fixed(s: Scores, score: str, how: str) -> pd.Series:
        paths = (")", ", paths=['conv'])", ", paths=['free'])")
        ends = paths if score == "log_evidence" else paths[:1]
        rows = [s.of(score, task, "channels=5, kernel=4" + end, how) for end in ends]
        return pd.concat(rows, axis=1).max(axis=1)

    for how, priors in ((FIXED, "fixed priors"), (BY_HAND, "priors fixed by hand at 0.1")):
        for score, low in (("log_evidence", 0), ("accuracy", -0.02)):
            yield Claim(f"{words}: {score.replace('_', '-')} over that of {priors}",
                        lambda s, score=score, how=how: learned(s, score) - fixed(s, score, how),
                        low=low)  # fmt: skip
    if words == "quadrants":
        yield Claim("quadrants: accuracy by convolutions alone",
                    lambda s: s.of("accuracy", task, "['conv']"), high=0.3)  # fmt: skip


def _sharing_claims() -> Iterator[Claim]:
    for n, prototypes in ((4, 4), (4, 8), (5, 5), (5, 10), (6, 6), (6, 12)):
        task = f"linear_maps(n={n}, noise=0.1, train=50, weights=steps)"
        for polish in (True, False):
            yield Claim(
                f"`sharing`, circulant, n = {n}, {prototypes} groups, "
                f"{'with' if polish else 'as published, without'} polish: partition distance",
                lambda s, task=task, net=f"prototypes={prototypes})", polish=polish: s.of(
                    "partition_distance", task, net, f"polish={polish}"
                ),
                high=1 if polish else np.inf,
            )
    for task, signs in (
        ("number_sums(signs=False)", "without"),
        ("number_sums(signs=True)", "with"),
    ):
        yield Claim(f"`bilevel`, sums of places, {signs} signs: partition distance",
                    lambda s, task=task: s.of("partition_distance", task, method="inner_steps=20)"),
                    high=1)  # fmt: skip
        yield Claim("... error over that of plain training",
                    lambda s, task=task: s.of("mse_test", task, method="inner_steps=20)")
                    / s.of("mse_test", task, method="plain"), high=1)  # fmt: skip
    for samples in (20, 80):
        task = f"linear_maps(kind=circulant, n=8, train={samples})"
        yield Claim(f"`sharing`, circulant, n = 8, normal weights, {samples} samples, with polish: "
                    "partition distance",
                    lambda s, task=task: s.of("partition_distance", task, method="sharing"),
                    high=1)  # fmt: skip
    means = "gaussian_means(count=5, groups=3)"
    polished = "polish=True"
    yield Claim("three groups of five means, with polish: partition distance",
                lambda s: s.of("partition_distance", means, method=polished), high=0.1)  # fmt: skip
    yield Claim("... error over that without sharing",
                lambda s: s.of("mean_mse", means, method=polished)
                / s.of("unshared_mse", means, method=polished), high=1)  # fmt: skip


def _msr_claims() -> Iterator[Claim]:
    def over(rank: int, form: str) -> Values:
        task = f"filters(rank={rank})"
        return lambda s: (
            s.of("mse_test", task, "form=full") / s.of("mse_test", task, f"form={form}")
        )

    def full(score: str, task: str = "filters(rank=1)") -> Values:
        return lambda s: s.of(score, task, "form=full")

    yield Claim("MSR, rank 1: error over that of dense weights", over(1, "dense"), high=1 / 500)
    yield Claim("... over that of a convolution", over(1, "convolution"), high=2)
    yield Claim("rank 2: error over that of a convolution", over(2, "convolution"), high=1 / 3)
    yield Claim("rank 5: error", full("mse_test", "filters(rank=5)"), high=0.1)
    yield Claim("rank 1: energy in the band", full("band_energy"), low=0.999)
    yield Claim("... deviation of rows", full("row_deviation"), high=0.01)
    yield Claim("quarter turns: share that is not one filter turned",
                full("turn_violation", "filters(kind=quarter_turns)"), high=1e-4)  # fmt: skip


def _amortise_claims() -> Iterator[Claim]:
    tasks = {"two_rotations": ("first", "second", "lengths"),
             "three_invariances": ("size", "farthest", "place")}  # fmt: skip
    for task, questions in tasks.items():
        yield Claim(f"HyperInvariances, `{task}`: right descriptors of three",
                    lambda s, task=task: s.of("right", task), low=2.5)  # fmt: skip
        for name in questions:
            yield Claim(f"... {name}: accuracy over that of the best fixed descriptor",
                        lambda s, task=task, name=name: s.of(f"accuracy_{name}", task)
                        - s.of(f"fixed_{name}", task), low=-0.02)  # fmt: skip


def write_claims(records: list[RunRecord]) -> list[str]:
    """Return the lines of a table of all claims: what is wanted, reached, and by how many seeds."""
    runs = frame(records)
    scores = Scores(keep_current(runs[runs["status"] == "done"]))
    lines = ["| of | wanted | reached | seeds that do |", "| --- | ---: | ---: | ---: |"]
    for claim in list_claims():
        values = claim.values(scores)
        holds = int(((values > claim.low) & (values < claim.high)).sum())
        reached = f"{values.mean():.3g} ± {values.std():.1g}" if len(values) else "no records"
        count = f"{holds} of {len(values)}" if claim.wanted else ABSENT  # where nothing is asked
        lines.append(f"| {claim.words} | {claim.wanted or ABSENT} | {reached} | {count} |")
    return lines


FIXED = "learn=False, likelihood=categorical, newton=False)"  # of precision 1
BY_HAND = "learn=False, likelihood=categorical, newton=False, precision=0.1)"
