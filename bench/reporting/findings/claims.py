"""The claims of the paper's abstract, and what the records at hand say of each."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

from bench.core import plugins
from bench.core.config import Run, canonical
from bench.reporting.aggregate import TIMED
from bench.reporting.comparisons import MARGIN, ErrorRatio
from bench.reporting.findings.accuracy import base_method, compare_turned, is_unfinished
from bench.reporting.findings.claim import CONFIRMED, OPEN, REFUTED, Claim
from bench.reporting.findings.evidence import (
    PERCENT,
    Evidence,
    Row,
    as_number,
    say_ends,
    say_margin,
    say_ratio,
    say_seeds,
)
from bench.reporting.findings.speed_claims import judge_speed
from bench.reporting.formats import plain

PUBLISHED = "paper_"  # sweeps of the published sizes begin so
SCALE = "the published sizes and steps, on a GPU"


def claims(evidences: Iterable[Evidence]) -> list[Claim]:
    """Return verdicts on the claims of the abstract from the evidence of each task.

    They rest on what was trained as in the paper: by Adam, at one rate, nothing done afterwards.
    """
    verdicts = []
    for evidence in (evidence.usual for evidence in evidences):
        remul = [row for row in evidence.free if base_method(row) == "remul"]
        if remul:
            verdicts += _judge(evidence, remul)
    return verdicts


def _judge(evidence: Evidence, remul: list[Row]) -> Iterator[Claim]:
    yield _judge_symmetry(evidence, remul)
    yield _judge_control(evidence, remul)
    keys, sweeps = _find_published(evidence)
    at_scale = [[row for row in rows if row["key"] in keys] for rows in (remul, evidence.exact)]
    comparable = {row["key"] for row in evidence.comparable}
    others = [row for row in remul if row["key"] in comparable] or remul
    for judge in (_judge_accuracy, *[partial(judge_speed, kind=kind) for kind in reversed(TIMED)]):
        claim = judge(evidence, *at_scale) if all(at_scale) else None
        if not (claim and claim.rows):
            claim = judge(evidence, others, evidence.exact)
            claim = _leave_open(evidence, claim, sweeps) if claim.rows else claim
        yield claim


def _leave_open(evidence: Evidence, claim: Claim, sweeps: list[str]) -> Claim:
    """Return what a claim of the paper's scale is worth below it: nothing that is settled."""
    words = {CONFIRMED: "holds", REFUTED: "does not hold", OPEN: "is open"}[claim.verdict]
    size = f"{evidence.configurations[claim.rows[0]].steps:,} steps"
    command = f"python -m bench run {sweeps[0]} --device cuda" if sweeps else f"a sweep of {SCALE}"
    sentence = f"{claim.sentence} At {size} it {words}; the claim is of {SCALE}."
    return replace(claim, verdict=OPEN, sentence=sentence, settles=command)


def _judge_symmetry(evidence: Evidence, remul: list[Row]) -> Claim:
    """Return whether the loss makes a network more equivariant than plain training does."""
    claim = "Unconstrained networks learn approximate symmetry from an additional loss"
    remul = [row for row in remul if row["expected_error_test"] == row["expected_error_test"]]
    if not remul:
        return Claim(claim, evidence.task, OPEN, "No equivariance error is known.")
    trained_plainly = {
        (row["label"], row["steps"]): row for row in evidence.free if row["method"] == "plain"
    }
    beside = [row for row in remul if (row["label"], row["steps"]) in trained_plainly]
    best = min(beside, key=lambda row: row["expected_error_test"], default=None)
    plainly = best and trained_plainly[best["label"], best["steps"]]
    ratio = plainly and evidence.compare(best, plainly, "expected_error_test", (len(beside), 1))
    if not ratio:
        return Claim(
            claim, evidence.task, OPEN, "No plain training of the same network to compare."
        )
    pair = [best, plainly]
    verdict = CONFIRMED if ratio.is_better else REFUTED if ratio.is_worse else OPEN
    name, other = map(evidence.name, pair)
    sentence = f"E' of {name} is {plain(ratio.ratio, 3)} times that of {other} ({say_ends(ratio)})."
    settles = evidence.settle(pair, ratio.seeds_to_tell(1)) if verdict == OPEN else ""
    keys, numbers = tuple(row["key"] for row in pair), (as_number("ratio of E'", ratio),)
    return Claim(claim, evidence.task, verdict, sentence, keys, numbers, settles)


def _judge_control(evidence: Evidence, remul: list[Row]) -> Claim:
    """Return whether E' falls with every step of beta, on all ladders that have most of them."""
    claim = "The weight beta controls how equivariant a network becomes"
    ladders: dict[str, dict[float, Row]] = {}
    for row in sorted(remul, key=lambda row: row["seeds"]):  # of one beta that with most seeds
        run = evidence.configurations[row["key"]]
        ladders.setdefault(_without_beta(run), {})[_beta(run)] = row
    most = max(map(len, ladders.values()))
    longest = [
        _compare_steps(evidence, [rows[beta] for beta in sorted(rows)])
        for rows in ladders.values()
        if len(rows) == most
    ]
    pairs = [pair for ladder in longest for pair in ladder]
    if not pairs:
        return Claim(claim, evidence.task, OPEN, "There is one beta alone.", settles="run others")
    falls, rises = (sum(getattr(p[2], side) for p in pairs) for side in ("is_better", "is_worse"))
    seeds = say_seeds(min(ratio.seeds for _, _, ratio in pairs))
    climbs = "; on ".join(_say_ladder(evidence, ladder) for ladder in longest if ladder)
    sentence = f"On {climbs} ({seeds})."
    verdict = REFUTED if rises else CONFIRMED if falls == len(pairs) else OPEN
    keys = dict.fromkeys(row["key"] for low, high, _ in pairs for row in (low, high))
    numbers = tuple(as_number("ratio of E'", ratio) for _, _, ratio in pairs)
    unclear = [pair for pair in pairs if not (pair[2].is_better or pair[2].is_worse)]
    settles = evidence.settle(unclear[0][:2], unclear[0][2].seeds_to_tell(1)) if unclear else ""
    return Claim(claim, evidence.task, verdict, sentence, tuple(keys), numbers, settles)


def _compare_steps(evidence: Evidence, rows: list[Row]) -> list[tuple[Row, Row, ErrorRatio]]:
    """Return rows in order of their beta, pair by pair, with the ratio of their E'."""
    ratios = [evidence.compare(high, low, "expected_error_test") for low, high in pairwise(rows)]
    return [(*pair, ratio) for pair, ratio in zip(pairwise(rows), ratios, strict=True) if ratio]


def _say_ladder(evidence: Evidence, pairs: list[tuple[Row, Row, ErrorRatio]]) -> str:
    rows = [pairs[0][0], *[high for _, high, _ in pairs]]
    runs = [evidence.configurations[row["key"]] for row in rows]
    betas = " < ".join(f"{_beta(run):g}" for run in runs)
    others = [f"{k}={v}" for k, v in runs[0].method.kwargs.items() if k != "beta"]
    notes = ", ".join(others + evidence.unusual_steps(rows[0]))
    where = f"{rows[0]['model']} ({notes})" if notes else rows[0]["model"]
    falls, rises = (sum(getattr(p[2], side) for p in pairs) for side in ("is_better", "is_worse"))
    return (
        f"{where}, beta = {betas}: E' falls in {falls} and rises in {rises} of {len(pairs)} "
        f"step{'s' * (len(pairs) != 1)}"
    )


def _judge_accuracy(evidence: Evidence, remul: list[Row], exact: list[Row]) -> Claim:
    """Return whether REMUL errs no more than exact networks that were trained about as long."""
    claim = f"REMUL is competitive with equivariant baselines (to {PERCENT})"
    best = evidence.best(remul)
    rivals = [row for row in exact if best and 2 * row["steps"] >= best["steps"]]
    rival = evidence.best(rivals)
    picked = len(remul), max(1, len(rivals))
    ratio = best and rival and evidence.compare(best, rival, "mse_test", picked)
    if not ratio:
        return Claim(claim, evidence.task, OPEN, "No exact network has finished beside it.")
    turned = compare_turned(evidence, best, rival, picked)
    sentence = (
        f"{evidence.name(best)} {say_ratio(ratio, evidence.name(rival))}: {say_margin(ratio)}"
    )
    if turned:
        sentence += f"; on turned poses {plain(turned.ratio, 3)} times ({say_ends(turned)})"
    sentence += "."
    if is_unfinished(evidence, rival):
        sentence += f" {evidence.name(rival)} was improving still at its last step."
    verdict = {True: CONFIRMED, False: REFUTED, None: OPEN}[ratio.is_within()]
    settles = evidence.settle([best, rival], ratio.seeds_to_tell(1 + MARGIN))
    numbers = [as_number("ratio of errors", ratio)]
    numbers += [as_number("ratio of errors on turned poses", turned)] if turned else []
    rows = (best["key"], rival["key"])
    return Claim(claim, evidence.task, verdict, sentence, rows, tuple(numbers), settles)


def _find_published(evidence: Evidence) -> tuple[set[str], list[str]]:
    """Return the keys of what a GPU trained at published sizes and steps, and sweeps of such."""
    name = evidence.task.partition("(")[0]
    sweeps = {
        sweep: {
            canonical(run, seed=0)
            for run in plugins.load("sweeps", sweep).runs()
            if run.task.stem == name
        }
        for sweep in plugins.names("sweeps")
        if sweep.startswith(PUBLISHED)
    }
    known = {run for runs in sweeps.values() for run in runs}
    keys = {
        key
        for key, run in evidence.configurations.items()
        if key in evidence.on_gpu and canonical(run, seed=0) in known
    }
    return keys, [sweep for sweep, runs in sweeps.items() if runs]


def _beta(run: Run) -> float:
    return run.method.kwargs.get("beta", 1.0)


def _without_beta(run: Run) -> str:
    rest = {key: value for key, value in run.method.kwargs.items() if key != "beta"}
    method = replace(run.method, kwargs=rest)
    return canonical(replace(run, method=method), seed=0)
