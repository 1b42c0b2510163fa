"""The parent's side of the workers: hand out requests, collect replies, survive their deaths."""

import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from bench.system import environment, protocol
from bench.system.checkout import ROOT
from bench.system.clock import now
from bench.system.protocol import Died, Done, Failed, Reply, Request

OnReply = Callable[[int, Reply | Died], None]
PATIENCE_S = 1.5  # with a worker that was told to end


class Worker:
    """One worker process under its guard, and the index of the request that it works on.

    It runs the code of a checkout, this one unless another is given, and what it compiles is
    compiled anew, whatever earlier processes have left. What another checkout's prints is lost:
    asked what it does not know, a worker from before numbered protocols dies of it.
    """

    def __init__(self, inbox: SimpleQueue, checkout: Path = ROOT) -> None:
        self.inbox, self.checkout, self.task = inbox, checkout, None
        self.reusable, self.ends = True, inf
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.system.guard", str(checkout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment.environment(),
            start_new_session=True,
        )
        self.listener = Thread(target=self._listen, daemon=True)
        self.listener.start()

    def send(self, index: int, request: Request, limit_s: float = inf) -> None:
        """Start the worker on a request; if it is dead, its death is the reply."""
        self.task, self.ends = index, now() + limit_s
        self.reusable = not protocol.names_files(request)
        with suppress(BrokenPipeError, ValueError):  # ValueError: it was let go
            self.process.stdin.write(protocol.encode(request))
            self.process.stdin.flush()

    def let_go(self) -> None:
        """Close the pipe that it lives by: its guard ends it at once."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def kill(self) -> None:
        """End the process and all that it has started, and close its pipes."""
        self.let_go()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.listener.join()
        self.process.stdout.close()

    def _listen(self) -> None:
        try:
            for line in self.process.stdout:
                self.inbox.put((self, protocol.decode_reply(line)))
            reason = self._ending()
        except ValueError as error:
            self.let_go()
            reason = str(error)
        self.inbox.put((self, Died(reason)))

    def _ending(self) -> str:
        """Return why a worker says no more; one that lives without its pipe is of no use."""
        try:
            return f"the worker ended with code {self.process.wait(PATIENCE_S)}"
        except subprocess.TimeoutExpired:
            self.let_go()
            return "the worker closed its pipe to the parent"


def serve(
    requests: Iterable[tuple[int, Request]],
    jobs: int,
    on_reply: OnReply,
    limit_s: float = inf,
) -> None:
    """Hand requests, as they are asked for, to `jobs` workers; report each reply by its index.

    A request ends with `Done` or `Failed`, or with `Died` if its worker was killed or worked on it
    for longer than the limit. Whatever happens, no worker is left.
    """
    inbox: SimpleQueue = SimpleQueue()
    waiting, workers, idle = iter(requests), set[Worker](), list[Worker]()
    try:
        while True:
            while sum(worker.task is not None for worker in workers) < jobs:
                if (following := next(waiting, None)) is None:
                    break
                if not idle:
                    idle.append(Worker(inbox))
                    workers.add(idle[-1])
                idle.pop().send(*following, limit_s)
            if all(worker.task is None for worker in workers):
                return
            for worker in _receive(inbox, workers, on_reply, limit_s):
                worker.kill()
                workers.remove(worker)
            idle = [worker for worker in workers if worker.task is None]
    finally:
        for worker in workers:
            worker.let_go()
        for worker in workers:
            worker.kill()


def _receive(
    inbox: SimpleQueue, workers: set[Worker], on_reply: OnReply, limit_s: float
) -> list[Worker]:
    """Report what comes next; return the workers that are of no further use."""
    soonest = min(worker.ends for worker in workers if worker.task is not None)
    try:
        worker, message = inbox.get(timeout=max(0.0, soonest - now()) if soonest < inf else None)
    except Empty:
        late = [worker for worker in workers if worker.task is not None and worker.ends <= now()]
        for worker in late:
            on_reply(worker.task, Died(f"no end within {limit_s:g} s", "timeout"))
        return late
    if worker not in workers or (worker.task is None and not isinstance(message, Died)):
        return []
    if worker.task is not None:
        on_reply(worker.task, message)
    if isinstance(message, Done | Failed):
        worker.task = None
    spent = isinstance(message, Died) or (worker.task is None and not worker.reusable)
    return [worker] if spent else []


def ask(request: Request, limit_s: float = inf) -> Any:  # noqa: ANN401 - whatever the worker answers
    """Return the answer of a fresh worker to a request. Raises `RuntimeError` without any."""
    answers: list[Reply | Died] = []
    serve([(0, request)], 1, lambda _, message: answers.append(message), limit_s)
    match answers[-1]:
        case Done(result):
            return result
        case Failed(reason=reason) | Died(reason):
            raise RuntimeError(reason)
