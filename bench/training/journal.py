"""The journal of a training: what nodes, ours and others', have made of the runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.core.config import Run
from bench.core.keys import run_name
from bench.core.outcomes import UNWRITABLE
from bench.records.claims import Claims, read_claims, read_owner
from bench.records.files import State
from bench.records.run_store import RunStore
from bench.system.pool import Answer
from bench.system.progress import Tracker, duration
from bench.system.protocol import Died, Failed
from bench.training.job import Report, keep_death
from bench.training.scalars import write_scalars


@dataclass
class Journal:
    """What has become of the runs, by their place in `todo`, as the store tells.

    `before` is the state of each run's record when it was found to be missing. `log_dir` is where
    TensorBoard finds the curves of runs as they end. `held` are the claims on runs, as last seen;
    `lost` tells why the node that trained a run is gone.
    """

    todo: list[Run]
    before: list[State]
    store: RunStore
    tracker: Tracker
    claims: Claims
    log_dir: Path | None = None
    ended: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    held: dict[Path, Path] = field(default_factory=dict)
    lost: dict[int, Died] = field(default_factory=dict)
    waiting: bool = False

    def __post_init__(self) -> None:
        self.paths = [self.store.path(run) for run in self.todo]

    def left(self) -> list[int]:
        """Return the places of the runs that have not ended."""
        return [index for index in range(len(self.todo)) if index not in self.ended]

    def look(self) -> None:
        """See who trains what is left, and how far it has come."""
        folders = {self.paths[index].parent for index in self.left()}
        self.held = {file: claim for f in folders for file, claim in read_claims(f).items()}
        for index in self.left():
            owner = read_owner(self.held.get(self.paths[index]))
            if owner:
                self.tracker.step(index, owner.step, owner.loss, owner.error)

    def free(self, aside: Sequence[int]) -> list[int]:
        """Return those of the runs left to others that are still to train, and that nobody trains.

        What took its node with it is not tried again.
        """
        for index in filter(self._has_changed, aside):
            self._end(index, " (by another process)")
        left = [index for index in aside if index not in self.ended]
        free = [index for index in left if self._is_free(index)]
        for index in self.lost.keys() & {*free}:
            keep_death(self.todo[index], self.lost[index], self.store)
            self._fail(index, self.lost[index])
        if len(free) < len(left) and not self.waiting:
            self.waiting = True
            self.tracker.line(f"waiting for {len(left)} runs that other processes train")
        return [index for index in free if index not in self.ended]

    def note(self, group: list[int], report: Report) -> None:
        """Take the report on a group of runs. Raises `ValueError` if no record can be written."""
        for line in report.lines:
            self.tracker.line(line)
        for index, answer in zip(group, report.answers, strict=True):
            if index not in self.ended:
                self._note(index, answer)

    def lose(self, group: list[int], death: Died) -> None:
        """Note that the node which trained a group is gone; a group is tried again, run by run."""
        if len(group) == 1:
            self.lost[group[0]] = death

    def _note(self, index: int, answer: Answer | None) -> None:
        match answer:
            case Failed(status, reason) if status == UNWRITABLE:
                raise ValueError(f"{run_name(self.todo[index])} cannot be kept: {reason}")
            case Failed() | Died():
                self._fail(index, answer)
            case None if self._has_changed(index):
                self._end(index, " (by another process)")
            case None:
                pass
            case _:
                self._end(index)

    def _has_changed(self, index: int) -> bool:
        return self.store.state(self.todo[index]) != self.before[index]

    def _is_free(self, index: int) -> bool:
        """Return whether nobody holds a run; what a dead owner has left of its claim goes."""
        path = self.paths[index]
        if path in self.held and not self.claims.has_lapsed(self.held[path]):
            return False
        free = self.claims.take(path)
        self.claims.release(path)
        return free

    def _fail(self, index: int, answer: Failed | Died) -> None:
        self.failed.add(index)
        if self.store.finished(self.todo[index]):
            failure = f"{run_name(self.todo[index])}: {answer.status}: {answer.reason}"
            self.tracker.line(f"{failure}; its finished record stays")
        self._end(index)

    def _end(self, index: int, how: str = "") -> None:
        self.ended.add(index)
        self.tracker.step(index, self.todo[index].steps)
        record = self.store.finished(self.todo[index])
        if how and not record:
            self.failed.add(index)
        self.tracker.board.end(index, record.scores if record else None)
        if record and self.log_dir:
            write_scalars(self.log_dir, record, self.store)
        line = describe(self.todo[index], self.store)
        self.tracker.line(f"[{len(self.ended)}/{len(self.todo)}] {line}{how}")


def describe(run: Run, store: RunStore) -> str:
    """Return how a run ended, in one line."""
    record = store.find(run)
    if record is None:
        return f"{run_name(run)}: not started"
    if record.status != "done":
        return f"{run_name(run)}: {record.status}: {record.reason}"
    error = record.scores["mse_test"]
    return f"{run_name(run)}: mse_test {error:.3g} in {duration(record.seconds or 0)}"
