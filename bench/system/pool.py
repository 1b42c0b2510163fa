"""The parent's side of the workers: hand out requests, collect replies, survive their deaths."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from bench.system import environment, protocol
from bench.system.checkout import ROOT
from bench.system.clock import now
from bench.system.protocol import Died, Done, Failed, Reply, Request

Answer = Done | Failed | Died
LOOK_S = 1.0  # how often to see whether an answer is still wanted
PATIENCE_S = 1.5  # with a worker that was told to end


class Worker:
    """One worker process under its guard, and what it has said that nobody has read yet.

    It runs the code of a checkout, this one unless another is given, and what it compiles is
    compiled anew, whatever earlier processes have left. What another checkout's prints is lost:
    asked what it does not know, a worker from before numbered protocols dies of it.
    """

    def __init__(self, checkout: Path = ROOT, variables: Mapping[str, str] | None = None) -> None:
        self.checkout, self.inbox = checkout, SimpleQueue[Reply | Died]()
        self.reusable, self.ends = True, inf
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.system.guard", str(checkout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment.environment() | (variables or {}),
            start_new_session=True,
        )
        self.listener = Thread(target=self._listen, daemon=True)
        self.listener.start()

    def send(self, request: Request, limit_s: float = inf) -> None:
        """Start the worker on a request; if it is dead, its death is the reply."""
        self.ends = now() + limit_s
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
                self.inbox.put(protocol.decode_reply(line))
            reason = self._ending()
        except ValueError as error:
            self.let_go()
            reason = str(error)
        self.inbox.put(Died(reason))

    def _ending(self) -> str:
        """Return why a worker says no more; one that lives without its pipe is of no use."""
        try:
            return f"the worker ended with code {self.process.wait(PATIENCE_S)}"
        except subprocess.TimeoutExpired:
            self.let_go()
            return "the worker closed its pipe to the parent"


class Unwanted(Exception):  # noqa: N818 - nothing went wrong
    """Nobody waits for the answer any more."""


class Pool:
    """Workers that threads borrow for one request each; they end with the pool.

    `variables` are added to the environment of the workers.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables, self.closed = variables or {}, False
        self.workers, self.idle, self.lock = set[Worker](), list[Worker](), Lock()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no worker, whatever happens; what they were asked is unwanted."""
        with self.lock:
            self.closed = True
        for worker in self.workers:
            worker.let_go()
        for worker in self.workers:
            worker.kill()

    def answer(
        self,
        request: Request,
        on_reply: Callable[[Reply], None],
        limit_s: float = inf,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """Return a worker's answer to a request, and report what it says before.

        It is `Died` if the worker was killed, or worked on it for longer than the limit. Raises
        `Unwanted` when it is so, or the pool is closed.
        """
        worker, message = self._borrow(), None
        worker.send(request, limit_s)
        try:
            while not isinstance(message := self._receive(worker, limit_s, is_wanted), Answer):
                on_reply(message)
            return message
        finally:
            self._take_back(worker, message)

    def _receive(
        self, worker: Worker, limit_s: float, is_wanted: Callable[[], bool]
    ) -> Reply | Died:
        while is_wanted():
            left_s = worker.ends - now()
            with suppress(Empty):
                message = worker.inbox.get(timeout=max(0.0, min(left_s, LOOK_S)))
                if self.closed:
                    break
                return message
            if left_s <= 0:
                return Died(f"no end within {limit_s:g} s", "timeout")
        raise Unwanted

    def _borrow(self) -> Worker:
        with self.lock:
            while self.idle:
                worker = self.idle.pop()
                if worker.inbox.empty():
                    return worker
                self._remove(worker)  # it has died, or said what nobody had asked
            if self.closed:
                raise Unwanted
            worker = Worker(variables=self.variables)
            self.workers.add(worker)
            return worker

    def _take_back(self, worker: Worker, message: Reply | Died | None) -> None:
        with self.lock:
            if self.closed:
                return
            if isinstance(message, Done | Failed) and worker.reusable:
                self.idle.append(worker)
            else:
                self._remove(worker)

    def _remove(self, worker: Worker) -> None:
        self.workers.remove(worker)
        worker.kill()


def ask(request: Request, limit_s: float = inf) -> Any:  # noqa: ANN401 - whatever the worker answers
    """Return the answer of a fresh worker to a request. Raises `RuntimeError` without any."""
    with Pool() as pool:
        match pool.answer(request, lambda _: None, limit_s):
            case Done(result):
                return result
            case Failed(reason=reason) | Died(reason):
                raise RuntimeError(reason)
