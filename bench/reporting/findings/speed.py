"""What is faster at equal accuracy, and how far it is from equivariant."""

from bench.reporting import formats
from bench.reporting.aggregate import is_exact, time_ratios
from bench.reporting.comparisons import FEW_SEEDS, MARGIN, ErrorRatio, median_interval
from bench.reporting.findings.evidence import (
    NO,
    PERCENT,
    UNDECIDED,
    YES,
    Evidence,
    Finding,
    Number,
    Row,
    as_number,
    say_interval,
    say_ratio,
)

WORDS = {"inference": "inference", "train_step": "a training step"}
Candidate = tuple[Number, Row, ErrorRatio]  # how many times faster, and how many times the error


def find_speed_up(evidence: Evidence, kind: str) -> Finding | None:
    """Return the fastest row that is as accurate as the best exact network; None without that one.

    If none is shown to be both, the fastest of those that seeds cannot exclude.
    """
    best = evidence.best(evidence.exact)
    if best is None:
        return None
    question = f"Is anything faster at equal accuracy, in {WORDS[kind]}?"
    candidates = _list_candidates(evidence, best, kind)
    if not candidates:
        long = ", or of a far longer training" if kind == "train_step" else ""
        sentence = f"No time counts beside {evidence.name(best)}: not taken, or disturbed{long}."
        settles = "the same command as before, on a quiet machine"
        return Finding(evidence.task, question, sentence, UNDECIDED, settles=settles)
    faster = [candidate for candidate in candidates if candidate[0].low > 1]
    for within, verdict in ((True, YES), (None, UNDECIDED)):
        chosen = [candidate for candidate in faster if candidate[2].is_within() is within]
        if chosen:
            fastest = max(chosen, key=lambda candidate: candidate[0].value)
            return _describe(evidence, best, kind, question, verdict, fastest)
    sentence = (
        f"Nothing that may be within {PERCENT} of {evidence.name(best)}, the best exact network,"
        f" is faster than it in {WORDS[kind]}."
    )
    seeds = min(candidate[2].seeds for candidate in candidates)
    return Finding(evidence.task, question, sentence, NO, (best["key"],), seeds=seeds)


def _list_candidates(evidence: Evidence, best: Row, kind: str) -> list[Candidate]:
    rows = [row for row in (*evidence.exact, *evidence.comparable) if row["key"] != best["key"]]
    if kind == "train_step":  # as many steps again are no more, those of augmentation
        rows = [row for row in rows if row["steps"] <= 2 * best["steps"]]
    picked = len(rows), len(evidence.exact)
    return [
        (_speed_up(best, row, kind), row, ratio)
        for row in rows
        if time_ratios(best, row, kind)
        and (ratio := evidence.compare(row, best, "mse_test", picked))
    ]


def _speed_up(best: Row, row: Row, kind: str) -> Number:
    """Return how many times faster a row is; of sessions that are related, without an interval."""
    ratios = time_ratios(best, row, kind)
    value, low, high = median_interval(ratios) if len(ratios) > 1 else 3 * (ratios[0],)
    quality = max(best[f"{kind}_quality"], row[f"{kind}_quality"])
    return Number(f"times faster, {kind}", value, low, high, row["seeds"], quality)


def _describe(
    evidence: Evidence, best: Row, kind: str, question: str, verdict: str, fastest: Candidate
) -> Finding:
    speed, row, ratio = fastest
    times = say_interval(speed.value, speed.low, speed.high)
    errs = say_ratio(ratio, "that one")
    if verdict == YES:
        sentence = (
            f"{evidence.name(row)} is {times} times faster than {evidence.name(best)} in "
            f"{WORDS[kind]} (clock {speed.quality}) and {errs}, within the margin of {PERCENT}."
        )
        settles = evidence.settle([row, best], FEW_SEEDS) if ratio.seeds < FEW_SEEDS else ""
    else:
        sentence = (
            f"No faster row is shown to be within {PERCENT} of {evidence.name(best)}; of those "
            f"that may be, {evidence.name(row)} is the fastest in {WORDS[kind]}, {times} times "
            f"(clock {speed.quality}), and {errs}."
        )
        settles = evidence.settle([row, best], ratio.seeds_to_tell(1 + MARGIN))
    keys, numbers = (row["key"], best["key"]), (speed, as_number("ratio of errors", ratio))
    return Finding(evidence.task, question, sentence, verdict, keys, numbers, ratio.seeds, settles)


def measure_symmetry(evidence: Evidence) -> Finding | None:
    """Return how far the best unconstrained row is from equivariant; None where none is known."""
    free, exact = evidence.best(evidence.comparable), evidence.best(evidence.exact)
    score = "expected_error_test"
    if free is None or not evidence.errors(free, score):
        return None
    beside = (
        f"; {evidence.name(exact)} is at round-off, {exact[score]:.0e}" if exact is not None else ""
    )
    values = list(evidence.errors(free, score).values())
    sentence = (
        f"E' of {evidence.name(free)}, the most accurate unconstrained row, is "
        f"{formats.spread(free, score)}, {free['equivariance_error_test']:.2g} of the size of "
        f"its output{beside}."
    )
    number = Number("E'", free[score], min(values), max(values), len(values))
    return Finding(
        evidence.task, "Is the best unconstrained row equivariant?", sentence,
        YES if is_exact(free) else NO, (free["key"],), (number,), len(values),
    )  # fmt: skip
