"""A worker process: reads one request per line on stdin, answers in lines of JSON on stdout.

It lives as long as its parent does, which `bench.system.guard` sees to, and what it had finished
is on disk. `bench.system.protocol` has the messages; the path of this module is part of them.
"""

import os
import signal
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch

from bench.core.cases import target_from_plain
from bench.core.config import Run, run_from_plain
from bench.core.keys import run_name
from bench.core.outcomes import UNWRITABLE, outcome
from bench.records.run_record import RunRecord
from bench.records.run_store import CHECKPOINT, RunStore
from bench.system import environment, protocol
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
    TakeSample,
    Train,
    TrainSeeds,
)
from bench.timing import closures
from bench.timing.peer_networks import measure_peer
from bench.timing.sampler import Sampler, measure_ceilings
from bench.training import multi_seed
from bench.training.artifacts import make_artifacts
from bench.training.checkpoints import Checkpoint
from bench.training.execute import Keep, execute

CHECKPOINT_S = 600.0  # where nobody says how often
MEMORY = 0.5  # share of the free memory of the machine that one training may take
ENDED = {"done", "diverged"}  # to train such a run again would come to the same
Send = Callable[[Reply], None]


def main() -> None:
    """Answer requests until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, send = _claim_pipes()
    torch.set_num_threads(1)
    sampler = Sampler()
    for line in requests:
        try:
            request = protocol.decode_request(line)
        except ValueError as error:
            send(Failed("failed", str(error)))
        else:
            respond(request, sampler, send)


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
    _spare_memory(request.device)
    store, run = RunStore(Path(request.root)), run_from_plain(request.run)
    checkpoint = _checkpoint(store, [run], request.device, send)
    trained = execute(run, request.device, send, checkpoint, _keep())
    try:
        store.keep(*trained)
        if trained.record.status in ENDED:
            checkpoint.drop()
    except OSError as error:
        send(Failed(UNWRITABLE, f"{error.filename}: {error.strerror}"))
        return
    status, reason = trained.record.status, trained.record.reason
    _tell_left_out(trained.record, send)
    send(Done() if status == "done" else Failed(status, reason or ""))


def train_seeds(request: TrainSeeds, send: Send) -> None:
    """Train several seeds of one configuration at once, if that is faster; say either way."""
    _spare_memory(request.device)
    store, runs = RunStore(Path(request.root)), [run_from_plain(run) for run in request.runs]
    checkpoint = _checkpoint(store, runs, request.device, send)
    name = f"{runs[0].model} {runs[0].method}"
    try:
        if checkpoint.is_usable() or _is_faster(name, runs, request.device, send):
            _train_at_once(runs, request.device, store, checkpoint, send)
    except BaseException as error:  # a plug-in may raise SystemExit as well
        send(Line(f"{name}, one seed at a time: {outcome(error)['reason']}"))
    send(Done())


def _train_at_once(
    runs: list[Run], device: str, store: RunStore, checkpoint: Checkpoint, send: Send
) -> None:
    seeds, statuses = multi_seed.execute_seeds(runs, device, send, checkpoint, _keep()), set()
    for index, trained in enumerate(seeds):
        store.keep(*trained)
        statuses.add(trained.record.status)
        _tell_left_out(trained.record, send)
        send(Ended(index))
    if statuses & ENDED:
        checkpoint.drop()


def _tell_left_out(record: RunRecord, send: Send) -> None:
    if record.status == "done" and record.reason:
        send(Line(f"{run_name(record.run, record.key)}: {record.reason}"))


def _spare_memory(device: str) -> None:
    """Leave the runs beside this one theirs."""
    if device == "cpu":
        environment.spare_memory(MEMORY)
    elif share := os.environ.get(environment.GPU_SHARE):
        torch.cuda.set_per_process_memory_fraction(float(share))


def _is_faster(name: str, runs: list[Run], device: str, send: Send) -> bool:
    """Say what it gains to train seeds at once; return whether that is anything."""
    alone, at_once = closures.compare_steps(runs, device)
    won = f"{at_once:.3g} ms a step and seed, {alone:.3g} alone: {alone / at_once:.2f} times"
    alone_then = ", so one seed at a time" * (at_once >= alone)
    send(Line(f"{name}, {len(runs)} seeds at once: {won} as fast{alone_then}"))
    return at_once < alone


def _checkpoint(store: RunStore, runs: list[Run], device: str, send: Send) -> Checkpoint:
    every_s = float(os.environ.get(environment.CHECKPOINT_S) or CHECKPOINT_S)
    return Checkpoint(store.path(runs[0]).with_suffix(CHECKPOINT), runs, device, every_s, send)


def _keep() -> Keep:
    return partial(make_artifacts, os.environ.get(environment.KEPT, "").split())


def answer(request: Request, sampler: Sampler) -> Done | Failed:
    """Return the answer to a question about times or counters; what breaks is a reason."""
    try:
        return Done(_measure(request, sampler))
    except BaseException as error:
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
        case MeasureCeilings(device, dtype):
            return measure_ceilings(device, dtype)
        case MeasurePeer(peer, device, n, batch):
            return measure_peer(peer, device, n, batch)


def _claim_pipes() -> tuple[BinaryIO, Send]:
    """Keep stdin and stdout for messages: plug-ins read nothing, and what they print is an error.

    Ends if nobody listens, and in what a plug-in has forked.
    """
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    pid = os.getpid()

    def send(message: Reply) -> None:
        if os.getpid() != pid:
            os._exit(1)
        try:
            replies.write(protocol.encode(message))
            replies.flush()
        except OSError:
            os._exit(1)

    return requests, send


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
