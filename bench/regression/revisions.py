"""Two checkouts measured against each other, cell by cell, in processes that take turns."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from msgspec import structs

from bench.core.cases import Cell
from bench.records.machine_facts import MachineFacts
from bench.records.speed_record import blank
from bench.regression import verdicts
from bench.regression.compare import judged, of_counters
from bench.regression.report import Finding
from bench.regression.verdicts import INCOMPARABLE, INCONCLUSIVE, REGRESSED, Change
from bench.system.clock import now
from bench.system.protocol import Count
from bench.timing.interleave import Player, play, players

KINDS = ("inference", "train_step")
CONFIRMING = 1 / 3  # share of a cell's time that is kept for all but the first
Changes = dict[str, Change]


@dataclass(frozen=True)
class Duel:
    """Two checkouts, the base first, on one device with its noise floor and rounds per look."""

    trees: tuple[Path, Path]
    device: str
    floor: float
    rounds: int
    kinds: tuple[str, ...] = KINDS

    def findings(self, grid: list[Cell], budget_s: float) -> list[Finding]:
        """Verdicts on all cells; the time that one cell leaves is there for the next ones."""
        ends, changes, found = now() + budget_s, {}, []
        for index, cell in enumerate(grid):
            until = now() + (ends - now()) / (len(grid) - index)
            settled, counted = self.settle(cell, until)
            changes |= {(str(cell), kind): one for kind, one in settled.items()}
            lost = [Finding(str(cell), kind, INCOMPARABLE, why=counted.why or "not timed")
                    for kind in self.kinds if kind not in settled]  # fmt: skip
            found += [counted, *lost]
        return found + judged(changes)

    def settle(self, cell: Cell, until: float) -> tuple[Changes, Finding]:
        """The changes of one cell that looks at fresh processes agree on; its counters."""
        changes, counted = self.measure(cell, until - CONFIRMING * (until - now()))

        def look(moved: list[str]) -> Changes:
            return replace(self, kinds=tuple(moved)).measure(cell, until)[0]

        return verdicts.confirmed(changes, look), counted

    def measure(self, cell: Cell, until: float) -> tuple[Changes, Finding]:
        """A look of so many rounds, and further ones at what is inconclusive while time is left."""
        timed = cell.timed(self.kinds)
        with players([(timed, tree) for tree in self.trees], self.device) as pair:
            changes, still = {}, [kind for kind in self.kinds if _both(pair, kind)]
            while still:
                play(list(pair), still, self.rounds)
                changes |= _changes(*pair, self.floor)
                late = now() >= until
                still = [
                    k for k, one in changes.items() if one.verdict == INCONCLUSIVE and not late
                ]
            return changes, _counted(cell, *pair)


def _both(pair: list[Player], kind: str) -> bool:
    return all(kind in player.samples_ms for player in pair)


def _changes(base: Player, new: Player, floor: float) -> Changes:
    kinds = sorted(base.samples_ms.keys() & new.samples_ms.keys())
    return {k: verdicts.change(base.samples_ms[k], new.samples_ms[k], floor) for k in kinds}


def _counted(cell: Cell, base: Player, new: Player) -> Finding:
    sides, name, run = [], str(cell), asdict(cell.run("train_step"))
    for player in (base, new):
        try:
            counts = player.ask(Count(run, player.device))
        except RuntimeError as error:
            why = next(iter(player.facts.reasons.values()), str(error))
            return Finding(name, "counters", REGRESSED if sides else INCOMPARABLE, why=why)
        facts = MachineFacts(**player.facts.machine)
        sides.append(structs.replace(blank(cell), counters=counts, machine=facts))
    return of_counters(name, *sides)
