"""Two checkouts measured against each other, case by case, in processes that take turns."""

from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from bench.core.cases import SpeedCase
from bench.core.config import to_plain
from bench.records.machine_facts import MachineFacts
from bench.records.speed_record import blank_record
from bench.regression import verdicts
from bench.regression.compare import judge, judge_counters
from bench.regression.report import Verdict
from bench.regression.verdicts import INCOMPARABLE, INCONCLUSIVE, REGRESSED, Comparison
from bench.system.clock import now
from bench.system.progress import Tell, ignore
from bench.system.protocol import Count
from bench.timing.interleave import TimedWorker, interleave, timed_workers

KINDS = ("inference", "train_step")
CONFIRMATION_SHARE = 1 / 3  # of a case's time, which is kept for all but the first comparison
Comparisons = dict[str, Comparison]


@dataclass(frozen=True)
class RevisionComparison:
    """Two checkouts, the base first, on one device with its noise floor and rounds at a time."""

    trees: tuple[Path, Path]
    device: str
    floor: float
    rounds: int
    kinds: tuple[str, ...] = KINDS

    def judge(self, cases: list[SpeedCase], budget_s: float, tell: Tell = ignore) -> list[Verdict]:
        """Return verdicts on all cases; the time that one leaves is there for the next ones."""
        ends, comparisons, rest = now() + budget_s, {}, []
        for index, case in enumerate(cases):
            tell(str(case), index / len(cases))
            until = now() + (ends - now()) / (len(cases) - index)
            confirmed, counters = self.confirm(case, until)
            comparisons |= {(str(case), kind): c for kind, c in confirmed.items()}
            lost = [Verdict(str(case), kind, INCOMPARABLE, why=counters.why or "not timed")
                    for kind in self.kinds if kind not in confirmed]  # fmt: skip
            rest += [counters, *lost]
        return rest + judge(comparisons)

    def confirm(self, case: SpeedCase, until: float) -> tuple[Comparisons, Verdict]:
        """Return what fresh processes agree on, measure by measure, and the verdict on counters."""
        until_first = until - CONFIRMATION_SHARE * (until - now())
        comparisons, counters = self.measure(case, until_first)

        def measure_again(moved: list[str]) -> Comparisons:
            return replace(self, kinds=tuple(moved)).measure(case, until)[0]

        return verdicts.confirm(comparisons, measure_again), counters

    def measure(self, case: SpeedCase, until: float) -> tuple[Comparisons, Verdict]:
        """Time so many rounds, and further ones of what is inconclusive while time is left."""
        timed = case.targets(self.kinds)
        with timed_workers([(timed, tree) for tree in self.trees], self.device) as pair:
            comparisons, open_kinds = {}, [kind for kind in self.kinds if _can_run(pair, kind)]
            while open_kinds:
                interleave(list(pair), open_kinds, self.rounds)
                comparisons |= _compare(*pair, self.floor)
                late = now() >= until
                open_kinds = [
                    kind
                    for kind, c in comparisons.items()
                    if c.verdict == INCONCLUSIVE and not late and _can_run(pair, kind)
                ]
            return comparisons, _judge_counters(case, *pair)


def _can_run(pair: list[TimedWorker], kind: str) -> bool:
    return all(kind in worker.samples_ms for worker in pair)


def _compare(base: TimedWorker, new: TimedWorker, floor: float) -> Comparisons:
    kinds = sorted(base.samples_ms.keys() & new.samples_ms.keys())
    return {
        kind: verdicts.compare_samples(base.samples_ms[kind], new.samples_ms[kind], floor)
        for kind in kinds
    }


def _judge_counters(case: SpeedCase, base: TimedWorker, new: TimedWorker) -> Verdict:
    sides, name, run = [], str(case), to_plain(case.run("train_step"))
    for worker in (base, new):
        try:
            counts = worker.ask(Count(run, worker.device))
        except RuntimeError as error:
            why = next(iter(worker.facts.reasons.values()), str(error))
            return Verdict(name, "counters", REGRESSED if sides else INCOMPARABLE, why=why)
        facts = MachineFacts(**worker.facts.machine)
        sides.append(structs.replace(blank_record(case), counters=counts, machine=facts))
    return judge_counters(name, *sides)
