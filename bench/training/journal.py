"""The journal of a training: what workers, and other processes, have made of the runs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from threading import Event

from msgspec import structs

from bench.core.config import Run
from bench.core.keys import run_name
from bench.core.outcomes import UNWRITABLE
from bench.records import files
from bench.records.claims import LOOK_S, Claims
from bench.records.files import State
from bench.records.run_record import blank_record
from bench.records.run_store import RunStore
from bench.system import protocol
from bench.system.progress import Tracker, duration
from bench.system.protocol import Died, Done, Ended, Failed, Line, Step
from bench.training.scalars import write_scalars


@dataclass
class Journal:
    """What has become of the runs, by their place in `todo`, and which of them are ours.

    `before` is the state of each run's record, by its path, when it was found to be missing.
    `log_dir` is where TensorBoard finds the curves of runs as they end.
    """

    todo: list[Run]
    before: dict[Path, State]
    store: RunStore
    tracker: Tracker
    claims: Claims
    log_dir: Path | None = None
    ended: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    waiting: bool = False

    def left(self) -> list[int]:
        """Return the places of the runs that have not ended."""
        return [index for index in range(len(self.todo)) if index not in self.ended]

    def take(self, group: Iterable[int]) -> list[int]:
        """Return those of a group of runs that are ours to train; note what others have trained."""
        own = [i for i in group if self.claims.take(self._path(i))]
        for index in own:
            files.remove_parts(self._path(index))
        trained = [i for i in own if self.store.state(self.todo[i]) != self.before[self._path(i)]]
        for index in trained:
            record = self.store.find(self.todo[index])
            if record is None or record.status != "done":
                self.failed.add(index)
            self._end(index, " (by another process)")
        return [index for index in own if index not in trained]

    def wait(self) -> None:
        """Give other processes time for the runs that they train; say so, once."""
        if not self.left():
            return
        if not self.waiting:
            self.waiting = True
            self.tracker.line(f"waiting for {len(self.left())} runs that other processes train")
        Event().wait(LOOK_S)

    def note(self, group: list[int], message: protocol.Reply | Died) -> None:
        """Take a message about a group of runs; one that dies is trained again, seed by seed.

        Raises `ValueError` where no record can be written.
        """
        match message:
            case Step(step, losses, errors):
                for index, *seen in zip_longest(group, losses, errors):
                    self.tracker.step(index, step, *seen)
            case Line(text):
                self.tracker.line(text)
            case Ended(place):
                self._end(group[place])
            case Failed(status, reason) if status == UNWRITABLE:
                raise ValueError(f"{run_name(self.todo[group[0]])} cannot be kept: {reason}")
            case Died(reason, status) if len(group) == 1:
                record = blank_record(self.todo[group[0]])
                self.store.keep(structs.replace(record, status=status, reason=reason))
                self._fail(group[0], Failed(status, reason))
            case Failed() if len(group) == 1:
                self._fail(group[0], message)
            case Done() if len(group) == 1:
                self._end(group[0])

    def _path(self, index: int) -> Path:
        return self.store.path(self.todo[index])

    def _fail(self, index: int, message: Failed) -> None:
        self.failed.add(index)
        if self.store.finished(self.todo[index]):
            failure = f"{run_name(self.todo[index])}: {message.status}: {message.reason}"
            self.tracker.line(f"{failure}; its finished record stays")
        self._end(index)

    def _end(self, index: int, how: str = "") -> None:
        self.ended.add(index)
        self.claims.release(self._path(index))
        self.tracker.step(index, self.todo[index].steps)
        record = self.store.finished(self.todo[index])
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
