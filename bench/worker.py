"""A worker process: reads one request per line on stdin, answers in lines of JSON on stdout.

It lives as long as its parent holds the pipes: a parent that is killed takes it along, and what
it had finished is on disk. `bench.system.protocol` has the messages; the path of this module is
part of them.
"""

import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import torch

from bench.core.cases import target_from_plain
from bench.core.config import run_from_plain
from bench.core.outcomes import outcome
from bench.records.run_store import RunStore
from bench.system import protocol
from bench.system.protocol import (
    PROTOCOL,
    Count,
    CountBreaks,
    Done,
    Ended,
    Estimate,
    Failed,
    Hello,
    Line,
    MeasureCeilings,
    MeasureEnergy,
    MeasurePeer,
    Prepare,
    Reply,
    Request,
    Step,
    TakeSample,
    Train,
    TrainSeeds,
)
from bench.timing import closures
from bench.timing.peer_networks import measure_peer
from bench.timing.sampler import Sampler, measure_ceilings
from bench.training import multi_seed
from bench.training.execute import execute

Send = Callable[[Reply], None]


def main() -> None:
    """Answer requests until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    send = _claim_stdout()
    torch.set_num_threads(1)
    lines: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(lines,), daemon=True).start()
    sampler = Sampler()
    while True:
        try:
            request = protocol.decode_request(lines.get())
        except ValueError as error:
            send(Failed("failed", str(error)))
        else:
            respond(request, sampler, send)


def _listen(lines: SimpleQueue) -> None:
    """Queue what the parent asks for; a parent that is gone ends the worker at once."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(1)


def respond(request: Request, sampler: Sampler, send: Send) -> None:
    """Do what is asked for, and say what comes of it."""
    if isinstance(request, Train):
        train(request, send)
    elif isinstance(request, TrainSeeds):
        train_seeds(request, send)
    else:
        send(answer(request, sampler))


def train(request: Train, send: Send) -> None:
    """Train, score and write one record, and what lies beside it."""
    trained = execute(run_from_plain(request.run), request.device, lambda step: send(Step(step)))
    RunStore(Path(request.root)).keep(*trained)
    status, reason = trained.record.status, trained.record.reason
    send(Done() if status == "done" else Failed(status, reason or ""))


def train_seeds(request: TrainSeeds, send: Send) -> None:
    """Train several seeds of one configuration at once, if that is faster; say either way."""
    runs = [run_from_plain(run) for run in request.runs]
    name = f"{runs[0].model} {runs[0].method}"
    try:
        alone, at_once = closures.compare_steps(runs, request.device)
        won = f"{at_once:.3g} ms a step and seed, {alone:.3g} alone: {alone / at_once:.2f} times"
        send(Line(f"{name}, {len(runs)} seeds at once: {won} as fast"))
        if at_once >= alone:
            raise ValueError("that is no gain")
        seeds = multi_seed.execute_seeds(runs, request.device, lambda step: send(Step(step)))
        for index, trained in enumerate(seeds):
            RunStore(Path(request.root)).keep(*trained)
            send(Ended(index))
    except Exception as error:
        send(Line(f"{name}, one seed at a time: {outcome(error)['reason']}"))
    send(Done())


def answer(request: Request, sampler: Sampler) -> Done | Failed:
    """Return the answer to a question about times or counters; what breaks is a reason."""
    try:
        return Done(_measure(request, sampler))
    except Exception as error:
        return Failed(**outcome(error))


def _measure(request: Request, sampler: Sampler) -> Any:  # noqa: ANN401 - as `protocol` says
    match request:
        case Hello():
            return PROTOCOL
        case Estimate(runs, device):
            return closures.seconds_per_step(map(run_from_plain, runs), device)
        case Prepare(targets, device):
            return sampler.prepare({k: target_from_plain(t) for k, t in targets.items()}, device)
        case TakeSample(name):
            return sampler.take_sample(name)
        case MeasureEnergy(name):
            return sampler.energy_mj(name)
        case Count(run, device):
            return closures.count_run(run_from_plain(run), device)
        case CountBreaks(run, device):
            return closures.count_breaks(run_from_plain(run), device)
        case MeasureCeilings(device):
            return measure_ceilings(device)
        case MeasurePeer(peer, device):
            return measure_peer(peer, device)


def _claim_stdout() -> Send:
    """Keep stdout for replies: what plug-ins print goes to stderr. Ends if nobody listens."""
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def send(message: Reply) -> None:
        try:
            stream.write(protocol.encode(message))
            stream.flush()
        except BrokenPipeError:
            os._exit(1)

    return send


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
