"""Hands runs to an engine, follows them, and ends with them, whoever has trained them."""

import os
from collections import deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field
from math import inf
from threading import Event

from bench.core.config import to_plain
from bench.core.outcomes import explain
from bench.records.claims import BEAT_S
from bench.system import environment
from bench.system.clock import now
from bench.system.plain import one_line
from bench.system.protocol import Died
from bench.training.engines import Engine
from bench.training.job import Job
from bench.training.journal import Journal

SENT = (  # to nodes
    "REMUL_DATA",
    environment.CHECKPOINT_S,
    environment.KEPT,
    environment.COMPILE,
    environment.GRAPH,
)
LOOKS_PER_S = 100.0  # at claims, over all runs in hand: few for a file system that is shared
LAST_S = 5.0  # for jobs to say that they have ended when all runs have


@dataclass
class Dispatcher:
    """What is to be handed to the engine, what it has in hand, what is left to others.

    Groups of runs are places in the journal; at most `most` groups are in hand at a time. A run may
    take `limit_s`.
    """

    engine: Engine
    journal: Journal
    device: str
    most: int
    limit_s: float = inf
    queue: deque[list[int]] = field(default_factory=deque)
    in_hand: dict[Future, list[int]] = field(default_factory=dict)
    aside: list[int] = field(default_factory=list)
    looked_s: float = -inf

    @property
    def look_s(self) -> float:
        """How often to see how far runs are: seldom where they are many."""
        return min(max(1.0, self.most / LOOKS_PER_S), BEAT_S)

    def serve(self, groups: list[list[int]], ends_s: float) -> None:
        """Have all groups trained, run by run where that fails; start none after `ends_s`."""
        self.queue.extend(groups)
        while self.journal.left() and (self.in_hand or now() < ends_s):
            if now() < ends_s:
                self._submit()
            self._wait()
            if now() - self.looked_s >= self.look_s:
                self._look()
            if now() >= ends_s:
                self._withdraw()
        wait(self.in_hand, LAST_S)

    def _submit(self) -> None:
        while self.queue and len(self.in_hand) < self.most:
            group = [i for i in self.queue.popleft() if i not in self.journal.ended]
            if group:
                self.in_hand[self.engine.submit(self._job(group))] = group

    def _job(self, group: list[int]) -> Job:
        journal = self.journal
        return Job(
            [to_plain(journal.todo[index]) for index in group],
            [journal.before[index] for index in group],
            str(journal.store.root.resolve()),
            self.device,
            self.limit_s,
            self.look_s,
            {name: os.environ[name] for name in SENT if name in os.environ},
        )

    def _wait(self) -> None:
        """Take the reports that come within a second."""
        soon_s = min(1.0, self.look_s)
        if not self.in_hand:
            Event().wait(soon_s)
        for future in wait(self.in_hand, soon_s, FIRST_COMPLETED).done:
            group = self.in_hand.pop(future)
            self._receive(future, group)
            self.aside += [index for index in group if index not in self.journal.ended]

    def _receive(self, future: Future, group: list[int]) -> None:
        try:
            self.journal.note(group, future.result())
        except self.engine.deaths as death:
            self.journal.lose(group, Died(one_line(str(death))))
        except CancelledError:
            raise ValueError(
                "the engine has dropped runs that it was to train; what had finished is kept, the "
                "same command continues"
            ) from None
        except ImportError as error:
            raise ValueError(f"a node cannot train: {explain(error)}") from None

    def _look(self) -> None:
        self.looked_s = now()
        self.journal.look()
        free = self.journal.free(self.aside)
        self.queue.extend([index] for index in free)
        self.aside = [i for i in self.aside if i not in free and i not in self.journal.ended]

    def _withdraw(self) -> None:
        """Take back what no node has begun."""
        self.queue.clear()
        self._look()
        for future, group in [*self.in_hand.items()]:
            if not any(index in self.journal.tracker.steps for index in group) and future.cancel():
                del self.in_hand[future]
