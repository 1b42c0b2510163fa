"""What is most accurate: exact networks, plain backbones beside them, augmentation beside REMUL."""

from collections.abc import Iterator
from dataclasses import replace

from bench.reporting import formats
from bench.reporting.comparisons import FEW_SEEDS, MARGIN, ErrorRatio, find_ties, mean_interval
from bench.reporting.findings.evidence import (
    NO,
    UNDECIDED,
    YES,
    Evidence,
    Finding,
    Number,
    Row,
    as_number,
    say_ends,
    say_margin,
    say_ratio,
    say_seeds,
)

WHERE = {"test": "", "ood": " on poses unlike those in training (OOD)"}
PENALISED = ("remul", "ramp", "gradnorm", "dual")  # methods that see each sample and turned copies
LIMIT = 1 + MARGIN
NAMED = 4  # rows that a sentence names
LITTLE = (
    "the best exact network errs {} times as much as {}, which learns a few numbers, so no "
    "comparison with it says what a symmetry is worth ({})"
)


def find_best_exact(evidence: Evidence) -> Finding:
    """Return which exact network errs least, and which are not told from it."""
    question = "Is one exact network more accurate than all others?"
    best = evidence.best(evidence.exact)
    if best is None:
        sentence = "No exact network has finished here."
        return Finding(evidence.task, question, sentence, UNDECIDED, settles="run one, as egnn")
    errors = {row["key"]: evidence.errors(row, "mse_test") for row in evidence.exact}
    ties = find_ties(errors)[1:]
    by_key = {row["key"]: row for row in evidence.exact}
    names = [evidence.name(by_key[key]) for key in ties]
    number = _mean(evidence, best)
    rivals = len(evidence.exact) - 1
    seeds = min(len(errors[key]) for key in (best["key"], *ties))
    few, told = seeds < FEW_SEEDS, bool(rivals) and not ties
    error = f"MSE x 1e3 {formats.thousandths(best, 'mse_test')}"
    sentence = (
        f"{evidence.name(best)} errs least of {rivals + 1} exact networks, {error}; "
        f"{_say_ties(names, rivals)} "
        f"({say_seeds(seeds)})."
        if rivals
        else f"{evidence.name(best)} is the one exact network here, {error} ({say_seeds(seeds)})."
    )
    rows = [best, *[by_key[key] for key in ties]]
    return Finding(
        evidence.task,
        question,
        sentence,
        YES if told else UNDECIDED,
        tuple(row["key"] for row in rows),
        (number,),
        seeds,
        evidence.settle(rows[: NAMED + 1], max(FEW_SEEDS, 2 * seeds)) if ties or few else "",
    )


def compare_backbones(evidence: Evidence, split: str) -> Finding:
    """Return whether the best unconstrained row is as accurate as the best exact network."""
    question = f"Is an unconstrained network as accurate as the best exact one{WHERE[split]}?"
    exact, free = (evidence.best(rows, split) for rows in (evidence.exact, evidence.comparable))
    picked = len(evidence.comparable), len(evidence.exact)
    ratio = exact and free and evidence.compare(free, exact, f"mse_{split}", picked)
    if not ratio:
        lacking = "exact network" if exact is None else "unconstrained row"
        words = "the best of both share no seed" if exact and free else f"no {lacking} has a score"
        sentence = f"Nothing to compare: {words}."
        return Finding(evidence.task, question, sentence, UNDECIDED)
    within = ratio.is_within()
    sentence = (
        f"{evidence.name(free)}, {_say_best(evidence.comparable, 'unconstrained row')}, "
        f"{say_ratio(ratio, evidence.name(exact))}, {_say_best(evidence.exact, 'exact network')}"
        f"{WHERE[split]}: {say_margin(ratio)}"
    )
    verdict = {True: YES, False: NO, None: UNDECIDED}[within]
    usual = evidence.compare(free, exact, f"squared_error_median_{split}", picked)
    if usual:
        times = formats.plain(usual.ratio, 3)
        sentence += f"; by the median over samples {times} times ({say_ends(usual)})"
    if times := compare_flops(evidence, free, exact):
        sentence += f"; its training takes {formats.plain(times, 2)} times the FLOPs"
    little = compare_trivial(evidence)
    sentence += f". But {little}." if little else "."
    finding = _finish(evidence, question, sentence, verdict, ratio, [free, exact], LIMIT)
    if usual:
        number = as_number("ratio of median squared errors", usual)
        finding = replace(finding, numbers=(*finding.numbers, number))
    few_make_it = within and usual and usual.is_within() is False
    if little or few_make_it:  # nothing to run tells
        return replace(finding, verdict=UNDECIDED, settles="")
    return finding


def compare_trivial(evidence: Evidence) -> str:
    """Return that exact networks hardly err less than a trivial predictor; "" where they do."""
    trivial = evidence.best([row for row in evidence.rows if row["trivial"]])
    exact = evidence.best(evidence.exact)
    ratio = trivial and exact and evidence.compare(exact, trivial, "mse_test")
    if not ratio:
        return ""
    most = ratio.high if ratio.seeds >= FEW_SEEDS else ratio.ratio  # few seeds have no narrow end
    if most < 1 / LIMIT:
        return ""
    return LITTLE.format(
        formats.plain(ratio.ratio, 3), evidence.name(trivial), say_seeds(ratio.seeds)
    )


def compare_compute(evidence: Evidence) -> Iterator[Finding]:
    """Yield, for each network with both, whether a penalty beats augmentation at equal compute."""
    for network in sorted({row["label"] for row in evidence.free}):
        own = [row for row in evidence.free if row["label"] == network]
        own = [row for row in own if evidence.configurations[row["key"]].symmetrise == "none"]
        penalised = [row for row in own if base_method(row) in PENALISED]
        augmented = [row for row in own if base_method(row) == "augment"]
        if penalised and augmented:
            for split in evidence.splits:
                yield (finding := _compare_compute(evidence, penalised, augmented, split))
                if not finding.numbers:
                    break  # what was not run was run on no split


def _compare_compute(
    evidence: Evidence, penalised: list[Row], augmented: list[Row], split: str
) -> Finding:
    lengths = {row["steps"] for row in augmented}
    beside = [row for row in penalised if _equal_steps(evidence, row) in lengths] or penalised
    best = evidence.best(beside, split) or beside[0]
    steps = _equal_steps(evidence, best)
    equal = [row for row in augmented if row["steps"] == steps]
    rival = evidence.best(equal, split)
    question = (
        f"Does a penalty on {best['model']} beat augmentation at equal compute{WHERE[split]}?"
    )
    ratio = rival and evidence.compare(best, rival, f"mse_{split}", (len(beside), len(equal)))
    if not ratio:
        sentence = f"Augmentation at equal compute ({steps:,} steps) has not been run."
        return Finding(
            evidence.task, question, sentence, UNDECIDED,
            (best["key"],), settles=evidence.settle_steps(augmented[0], steps, best["seeds"]),
        )  # fmt: skip
    sentence = (
        f"{evidence.name(best)} {say_ratio(ratio, evidence.name(rival))}, its rival at equal "
        f"compute{WHERE[split]}: {_say_side(ratio)}."
    )
    verdict = YES if ratio.is_better else NO if ratio.is_worse else UNDECIDED
    finding = _finish(evidence, question, sentence, verdict, ratio, [best, rival], 1.0)
    first = evidence.best(penalised, split) or best
    if first["key"] == best["key"]:
        return finding
    steps = _equal_steps(evidence, first)
    missing = f" {evidence.name(first)} errs less; its rival, of {steps:,} steps, was not run."
    settles = evidence.settle_steps(augmented[0], steps, first["seeds"])
    return replace(finding, sentence=finding.sentence + missing, settles=settles)


def _finish(
    evidence: Evidence,
    question: str,
    sentence: str,
    verdict: str,
    ratio: ErrorRatio,
    rows: list[Row],
    limit: float,
) -> Finding:
    """Return the finding of a comparison of two rows, with what would settle it."""
    settles = ""
    if verdict == UNDECIDED:
        settles = evidence.settle(rows, ratio.seeds_to_tell(limit))
    elif ratio.seeds < FEW_SEEDS:
        settles = evidence.settle(rows, FEW_SEEDS)
    keys = tuple(row["key"] for row in rows)
    numbers = (as_number("ratio of errors", ratio),)
    return Finding(evidence.task, question, sentence, verdict, keys, numbers, ratio.seeds, settles)


def _mean(evidence: Evidence, row: Row) -> Number:
    values = list(evidence.errors(row, "mse_test").values())
    middle, low, high = mean_interval(values)
    return Number("MSE", middle, max(0.0, low), high, len(values))


def _say_ties(names: list[str], rivals: int) -> str:
    if not names:
        return f"it is told from {'the other' if rivals == 1 else f'all {rivals} others'}"
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"not told from it: {', '.join(names[:NAMED])}{rest}"


def _say_side(ratio: ErrorRatio) -> str:
    if ratio.is_better:
        return "it is ahead"
    return "it is behind" if ratio.is_worse else "neither is ahead"


def base_method(row: Row) -> str:
    """Return the method of a row without its options."""
    return row["method"].partition("(")[0].partition(" ")[0]


def compare_turned(
    evidence: Evidence, row: Row, exact: Row, picked: tuple[int, int]
) -> ErrorRatio | None:
    """Return how the errors compare on poses unlike those in training, where there are such."""
    return evidence.compare(row, exact, "mse_ood", picked) if "ood" in evidence.splits else None


def is_unfinished(evidence: Evidence, row: Row) -> bool:
    """Return whether a row was improving still when its training ended, by every seed."""
    best = evidence.errors(row, "best_step").values()
    return bool(best) and min(best) >= row["steps"]


def compare_flops(evidence: Evidence, row: Row, other: Row) -> float | None:
    """Return how many times the FLOPs of another row's training a row's training takes, if known.

    Those of a network that learns nothing are not.
    """
    keys = row["key"], other["key"]
    flops = {
        record.key: record.run.steps * record.counters["step_flops"]
        for record in evidence.records
        if record.key in keys and record.counters.get("step_flops")
    }
    return flops[keys[0]] / flops[keys[1]] if {*keys} <= flops.keys() else None


def _equal_steps(evidence: Evidence, row: Row) -> int:
    """Return the steps of augmentation that see as many samples as a row with a penalty."""
    return row["steps"] * (1 + evidence.configurations[row["key"]].method.kwargs.get("samples", 1))


def _say_best(rows: list[Row], word: str) -> str:
    return f"the best of {len(rows)} {word}s" if len(rows) > 1 else f"the one {word} here"
