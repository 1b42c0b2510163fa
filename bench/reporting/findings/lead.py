"""The answer to the page's own question, in one sentence a task."""

from bench.reporting.findings.accuracy import LIMIT, compare_backbones
from bench.reporting.findings.evidence import (
    NO,
    PERCENT,
    UNDECIDED,
    YES,
    Evidence,
    Finding,
    say_seeds,
)
from bench.reporting.findings.speed import find_speed_up
from bench.reporting.formats import plain

ACCURATE = {
    YES: f"an unconstrained network is as accurate as the best exact one, to {PERCENT}",
    NO: "the best unconstrained network errs {} times as much as the best exact one",
    UNDECIDED: "whether an unconstrained network is as accurate as the best exact one is open",
}
OF_FEW = (
    "the mean error of the best unconstrained network is as small as the best exact one's, "
    "but few samples make it: the median is {} times as large"
)
TURNED = {
    YES: "",
    NO: ", though on poses unlike those (OOD) the best errs {} times as much",
    UNDECIDED: ", though on poses unlike those (OOD) that is open",
}
FASTER = {
    YES: "something as accurate is faster at inference",
    NO: "nothing as accurate is faster at inference",
    UNDECIDED: "whether anything as accurate is faster at inference is open",
}
LITTLE = (
    "Not answered: the best exact network errs {} times as much as {}, which learns next to "
    "nothing: little is learned here that turns with the input ({})."
)
NOT_ANSWERED = "Not answered: exact and unconstrained networks have not both been run here."
PAYS = {YES: "You need no exact network", NO: "An exact network pays", UNDECIDED: "Not settled"}


def lead(evidence: Evidence) -> str:
    """Return whether an exactly equivariant network pays on a task, and for what."""
    accurate = compare_backbones(evidence, "test")
    if not accurate.numbers:
        return NOT_ANSWERED
    if beside_trivial := _compare_trivial(evidence):
        return beside_trivial
    mean, *usual = accurate.numbers
    faster = find_speed_up(evidence, "inference")
    words = [ACCURATE[accurate.verdict].format(plain(mean.value, 3)), FASTER[_verdict(faster)]]
    if accurate.verdict == UNDECIDED and mean.high < LIMIT:
        words[0] = OF_FEW.format(plain(usual[0].value, 3))
    pays = PAYS[accurate.verdict]
    if accurate.verdict == YES and "ood" in evidence.splits:
        turned = compare_backbones(evidence, "ood")
        if turned.verdict != YES:
            pays = f"{pays} on poses like those in training"
        errs = plain(turned.numbers[0].value, 3) if turned.numbers else ""
        words[0] += TURNED[turned.verdict].format(errs)
    return f"{pays}: {'; '.join(words)} ({say_seeds(accurate.seeds)})."


def _compare_trivial(evidence: Evidence) -> str:
    """Return that exact networks hardly err less than a trivial predictor; nothing where they do.

    Then no comparison with them says what a symmetry is worth.
    """
    trivial = evidence.best([row for row in evidence.rows if row["trivial"]])
    exact = evidence.best(evidence.exact)
    ratio = trivial and exact and evidence.compare(exact, trivial, "mse_test")
    if not ratio or ratio.high < 1 / LIMIT:
        return ""
    return LITTLE.format(plain(ratio.ratio, 3), evidence.name(trivial), say_seeds(ratio.seeds))


def _verdict(finding: Finding | None) -> str:
    return finding.verdict if finding else UNDECIDED
