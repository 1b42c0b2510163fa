"""The parent's side of the workers: hand out requests, collect replies, survive their deaths."""

import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from bench.system import environment, protocol
from bench.system.checkout import ROOT
from bench.system.protocol import Died, Done, Failed, Reply, Request

OnReply = Callable[[int, Reply | Died], None]


class Worker:
    """One worker process, pinned to one thread, and the index of the request it works on.

    It runs the code of a checkout, this one unless another is given, and what it compiles is
    compiled anew, whatever earlier processes have left. What another checkout's prints is lost:
    asked what it does not know, a worker from before numbered protocols dies of it.
    """

    def __init__(self, inbox: SimpleQueue, checkout: Path = ROOT) -> None:
        self.inbox, self.checkout, self.task = inbox, checkout, None
        self.compiled = TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if checkout == ROOT else subprocess.DEVNULL,
            cwd=None if checkout == ROOT else checkout,
            env={
                **environment.environment(checkout),
                "TORCHINDUCTOR_CACHE_DIR": self.compiled.name,
            },
            start_new_session=True,
        )
        self.listener = Thread(target=self._listen, daemon=True)
        self.listener.start()

    def send(self, index: int, request: Request) -> None:
        """Start the worker on a request; if it is dead, its death is the reply."""
        self.task = index
        with suppress(BrokenPipeError):
            self.process.stdin.write(protocol.encode(request))
            self.process.stdin.flush()

    def kill(self) -> None:
        """End the process at once and closes its pipes; what it compiled is gone."""
        self.process.kill()
        self.listener.join()
        self.process.wait()
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.compiled.cleanup()

    def _listen(self) -> None:
        try:
            for line in self.process.stdout:
                self.inbox.put((self, protocol.decode_reply(line)))
            reason = f"the worker ended with code {self.process.wait()}"
        except ValueError as error:
            self.process.kill()
            reason = str(error)
        self.inbox.put((self, Died(reason)))


def serve(
    requests: Sequence[Request], jobs: int, on_reply: OnReply, more: Callable[[], bool]
) -> None:
    """Hand the requests to `jobs` workers in order and report every reply by request index.

    A request ends with `Done` or `Failed`, or with `Died` if its worker was killed. When `more()`
    turns false no further request is started. Whatever happens, no worker is left.
    """
    inbox: SimpleQueue = SimpleQueue()
    waiting = deque(enumerate(requests))
    workers: list[Worker] = []
    idle: list[Worker] = []
    try:
        while True:
            while waiting and more() and sum(w.task is not None for w in workers) < jobs:
                if not idle:
                    idle.append(Worker(inbox))
                    workers.append(idle[-1])
                idle.pop().send(*waiting.popleft())
            if all(worker.task is None for worker in workers):
                return
            _receive(inbox, idle, on_reply)
    finally:
        for worker in workers:
            worker.kill()


def _receive(inbox: SimpleQueue, idle: list[Worker], on_reply: OnReply) -> None:
    worker, message = inbox.get()
    if worker.task is not None:
        on_reply(worker.task, message)
    if isinstance(message, (Done, Failed)):
        worker.task = None
        idle.append(worker)
    elif isinstance(message, Died):
        worker.task = None
        idle[:] = [other for other in idle if other is not worker]


def ask(request: Request) -> Any:  # noqa: ANN401 - whatever the worker answers
    """Return the answer of a fresh worker to a request. Raises `RuntimeError` without any."""
    answers: list[Reply | Died] = []
    serve([request], 1, lambda _, message: answers.append(message), lambda: True)
    match answers[-1]:
        case Done(result):
            return result
        case Failed(reason=reason) | Died(reason):
            raise RuntimeError(reason)
