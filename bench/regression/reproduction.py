"""Does a run come out again as its record says? A pure function of both and of its row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import stdev

from scipy.stats import t

from bench.records.run_record import RunRecord

REPRODUCED, OUTSIDE, UNKNOWN = "reproduced", "outside", "cannot tell here"
TOLD = {"done", "diverged"}  # of the run itself; the others may be of this machine
CONFIDENCE = 0.95
SMALLEST = 1e-300
STACK = (
    "processor", "gpu", "driver", "threads", "python", "torch", "e3nn", "e3nn_jit_mode", "dtype",
    "tf32", "compiled",
)  # fmt: skip


@dataclass(frozen=True)
class Reproduction:
    """The verdict on a run that was run again, and why."""

    verdict: str
    why: str


def judge(old: RunRecord, new: RunRecord, row: Iterable[RunRecord]) -> Reproduction:
    """Return whether a new record of a run is what its old one says.

    Equal to the bit it is; else its errors have to differ by no more than two seeds of the row do,
    at 95 % over all splits. What is better by more is outside too: one of both is wrong. Of what
    failed or took too long on one side alone, or for another reason, nothing can be told.
    """
    if not {old.status, new.status} <= TOLD and _say_end(old) != _say_end(new):
        return Reproduction(UNKNOWN, f"it was {_say_end(old)}, and is {_say_end(new)}")
    if old.status != new.status:
        return Reproduction(OUTSIDE, f"it was {old.status}, and is {_say_end(new)}")
    if old.scores.items() <= new.scores.items():  # today's may score more
        return Reproduction(REPRODUCED, "to the bit" if new.scores else f"it ends as {new.status}")
    stack = list_other(old, new)
    seeds = {record.run.seed: record for record in (*row, old) if record.status == "done"}
    splits = sorted(n for n in old.scores if n.startswith("mse_") and n in new.scores)
    if len(seeds) < 2 or not splits:
        why = f"not to the bit ({_say_stack(stack)}), and one seed alone has no spread"
        return Reproduction(UNKNOWN, why)
    limits = {name: _limit(name, list(seeds.values()), len(splits)) for name in splits}
    ratios = {name: _log(new, name) - _log(old, name) for name in splits}
    worst = max(splits, key=lambda name: abs(ratios[name]) - limits[name])
    words = (
        f"{worst} is {exp(ratios[worst]):.3g} times what it was; {len(seeds)} seeds differ by "
        f"factors up to {exp(limits[worst]):.3g}; {_say_stack(stack)}"
    )
    if abs(ratios[worst]) <= limits[worst]:
        return Reproduction(REPRODUCED, f"within the spread of seeds: {words}")
    return Reproduction(
        OUTSIDE, f"{'worse' if ratios[worst] > 0 else 'better'} than it was: {words}"
    )


def list_other(old: RunRecord, new: RunRecord) -> list[str]:
    """Return what of hardware and software is not the same."""
    sides = [(name, getattr(old.machine, name), getattr(new.machine, name)) for name in STACK]
    return [f"{name} {before} / {after}" for name, before, after in sides if before != after]


def _say_end(record: RunRecord) -> str:
    return f"{record.status}: {record.reason}" if record.reason else record.status


def _say_stack(other: Sequence[str]) -> str:
    return f"another stack, {', '.join(other)}" if other else "the stack is the same"


def _limit(score: str, row: list[RunRecord], splits: int) -> float:
    """Return how far apart two seeds of a row are in a log-error, at most."""
    logs = [_log(record, score) for record in row if score in record.scores]
    if len(logs) < 2:
        return 0.0
    critical = float(t.ppf(1 - (1 - CONFIDENCE) / (2 * splits), len(logs) - 1))
    return critical * sqrt(2) * stdev(logs)


def _log(record: RunRecord, score: str) -> float:
    return log(max(record.scores[score], SMALLEST))
