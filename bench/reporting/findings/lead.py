"""The answer to the page's own question, in one sentence a task."""

from statistics import geometric_mean

from bench.reporting import formats
from bench.reporting.findings.accuracy import (
    LIMIT,
    compare_backbones,
    compare_flops,
    compare_trivial,
)
from bench.reporting.findings.evidence import (
    NO,
    PERCENT,
    UNDECIDED,
    YES,
    Evidence,
    Finding,
    Row,
    say_interval,
    say_seeds,
)
from bench.reporting.findings.speed import find_speed_up
from bench.reporting.formats import plain

DEARER = 2  # times the FLOPs in training, beyond which an answer names them
ERRS = "the best unconstrained network, {name}, errs {times} times as much as the best exact one"
ACCURATE = {
    YES: f"{{name}} is as accurate as the best exact one, to {PERCENT}",
    NO: ERRS,
    UNDECIDED: ERRS,
}
OF_FEW = (
    "the mean error of the best unconstrained network is as small as the best exact one's, "
    "but few samples make it: the median is {} times as large"
)
LESS = "{name} errs {times} times as much as the best exact one"
TURNED = {
    YES: "",
    NO: ", though on poses unlike those (OOD) the best, {}, errs {} times as much",
    UNDECIDED: ", though on poses unlike those (OOD) that is open",
}
FASTER = {
    YES: "something as accurate is faster at inference",
    NO: "nothing as accurate is faster at inference",
    UNDECIDED: "whether anything as accurate is faster at inference is open",
}
NOT_ANSWERED = "Not answered: exact and unconstrained networks have not both been run here."
PAYS = {YES: "You need no exact network", NO: "An exact network pays", UNDECIDED: "Not settled"}


def lead(evidence: Evidence) -> str:
    """Return whether an exactly equivariant network pays on a task, and for what."""
    accurate = compare_backbones(evidence, "test")
    if not accurate.numbers:
        return NOT_ANSWERED
    if beside_trivial := compare_trivial(evidence):
        return f"Not answered: {beside_trivial}."
    mean, *usual = accurate.numbers
    if accurate.verdict == UNDECIDED and mean.high < LIMIT:
        words = [OF_FEW.format(plain(usual[0].value, 3))]
    else:
        words = [_say_accuracy(evidence, accurate)]
    if accurate.verdict != UNDECIDED:
        words.append(FASTER[_verdict(find_speed_up(evidence, "inference"))])
    pays = PAYS[accurate.verdict]
    if accurate.verdict == YES and "ood" in evidence.splits:
        turned = compare_backbones(evidence, "ood")
        if turned.verdict != YES:
            pays = f"{pays} on poses like those in training"
        best = evidence.name(evidence.by_key(turned.rows[0])) if turned.rows else ""
        errs = plain(turned.numbers[0].value, 3) if turned.numbers else ""
        words[0] += TURNED[turned.verdict].format(best, errs)
    return f"{pays}: {'; '.join(words)} ({say_seeds(accurate.seeds)})."


def _say_accuracy(evidence: Evidence, accurate: Finding) -> str:
    """Return how the best unconstrained row errs, what that takes, and what its median says."""
    free, exact = map(evidence.by_key, accurate.rows)
    mean, verdict = accurate.numbers[0], accurate.verdict
    said = LESS if verdict == YES and mean.high < 1 else ACCURATE[verdict]
    times = say_interval(mean.value, mean.low, mean.high)
    words = said.format(name=evidence.name(free), times=times)
    flops = compare_flops(evidence, free, exact)
    if verdict == YES and flops and flops > DEARER:
        words += f", for {formats.plain(flops, 2)} times the FLOPs in training"
    return words if verdict == NO else words + _say_median(evidence, free)


def _say_median(evidence: Evidence, free: Row) -> str:
    """Return how much more the median of a row may be than the least of exact networks."""
    score = "squared_error_median_test"
    medians = {row["key"]: evidence.errors(row, score).values() for row in evidence.exact}
    known = {
        exact: geometric_mean(values)
        for exact, values in medians.items()
        if values and min(values) > 0
    }
    if not known:
        return ""
    exact = evidence.by_key(min(known, key=lambda key: known[key]))
    ratio = evidence.compare(free, exact, score, (1, len(known)))
    if not ratio or ratio.is_within():
        return ""
    times = say_interval(ratio.ratio, ratio.low, ratio.high)
    return f", by the median of squared errors {times} times that of {evidence.name(exact)}"


def _verdict(finding: Finding | None) -> str:
    return finding.verdict if finding else UNDECIDED
