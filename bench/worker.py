"""A worker process: reads one request per line on stdin, answers in lines of JSON on stdout.

It lives as long as its parent holds the pipes: a parent that is killed takes it along, and what
it had finished is on disk.
"""

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import torch
from msgspec import to_builtins

from bench.core import cases
from bench.core.config import from_plain
from bench.core.outcomes import outcome
from bench.records.run_store import RunStore
from bench.timing import closures
from bench.timing.closures import breaks, count, seconds_per_step
from bench.timing.peer_networks import face
from bench.timing.sampler import Stage, ceilings
from bench.training import multi_seed
from bench.training.execute import execute

Reply = Callable[[dict[str, Any]], None]


def main() -> None:
    """Serves requests until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reply = _claim_stdout()
    torch.set_num_threads(1)
    requests: SimpleQueue = SimpleQueue()
    Thread(target=_listen, args=(requests,), daemon=True).start()
    handlers = {"train": train, "train_at_once": train_at_once, "estimate": estimate}
    handlers |= staged(Stage())
    while True:
        request = requests.get()
        handlers[request["do"]](request, reply)


def _listen(requests: SimpleQueue) -> None:
    """Queues what the parent asks for; a parent that is gone ends the worker at once."""
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(1)


def train(request: dict[str, Any], reply: Reply) -> None:
    """Trains, scores and writes one record, and its curve before it."""
    run = from_plain(request["run"])
    trained = execute(run, request["device"], lambda step: reply({"step": step}))
    RunStore(Path(request["root"])).keep(*trained)
    reply({"done": trained.record.status, "reason": trained.record.reason})


def train_at_once(request: dict[str, Any], reply: Reply) -> None:
    """The same for several seeds of one cell, if that is faster; says either way."""
    runs = [from_plain(run) for run in request["runs"]]
    cell = f"{runs[0].model} {runs[0].method}"
    try:
        alone, at_once = closures.milliseconds(runs, request["device"])
        won = f"{at_once:.3g} ms a step and seed, {alone:.3g} alone: {alone / at_once:.2f} times"
        reply({"line": f"{cell}, {len(runs)} seeds at once: {won} as fast"})
        if at_once >= alone:
            raise ValueError("that is no gain")
        seeds = multi_seed.execute(runs, request["device"], lambda step: reply({"step": step}))
        for index, trained in enumerate(seeds):
            RunStore(Path(request["root"])).keep(*trained)
            reply({"ended": index})
    except Exception as error:
        reply({"line": f"{cell}, one seed at a time: {outcome(error)['reason']}"})
    reply({"done": None})


def estimate(request: dict[str, Any], reply: Reply) -> None:
    """Measures a few training steps of each run."""
    runs = [from_plain(run) for run in request["runs"]]
    reply({"done": seconds_per_step(runs, request["device"])})


def staged(stage: Stage) -> dict[str, Callable[[dict[str, Any], Reply], None]]:
    """What is asked of a worker that takes turns with others."""
    answers = {
        "prepare": lambda r: stage.prepare(
            {name: cases.timed(one) for name, one in r["timed"].items()}, r["device"]
        ),
        "sample": lambda r: stage.sample(r["kind"]),
        "energy": lambda r: stage.energy_mj(r["kind"]),
        "count": lambda r: count(from_plain(r["run"]), r["device"]),
        "breaks": lambda r: breaks(from_plain(r["run"]), r["device"]),
        "ceilings": lambda r: ceilings(r["device"]),
        "face": lambda r: to_builtins(face(r["peer"], r["device"])),
    }
    return {do: partial(_answer, answer) for do, answer in answers.items()}


def _answer(answer: Callable, request: dict[str, Any], reply: Reply) -> None:
    try:
        reply({"done": answer(request)})
    except Exception as error:
        reply({"done": None, **outcome(error)})


def _claim_stdout() -> Reply:
    """Keeps stdout for replies: what plug-ins print goes to stderr. Ends if nobody listens."""
    stream = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def reply(message: dict[str, Any]) -> None:
        try:
            print(json.dumps(message), file=stream, flush=True)
        except BrokenPipeError:
            os._exit(1)

    return reply


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
