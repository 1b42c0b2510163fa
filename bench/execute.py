"""What a worker does: train and score one run, and time the cells of a sweep together."""

import traceback
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from bench import counters, machine, plugins
from bench.config import Run
from bench.evaluate import score
from bench.plugins import Task
from bench.records import Record, new
from bench.surface import slices
from bench.symmetrise import symmetrised
from bench.timing import Clock, event_clock, measure, now, wall_clock
from bench.train import DivergedError, Progress, batches_of, stream, train, trainer
from remul import Batch


def execute(run: Run, device: str, progress: Progress) -> Record:
    """Trains and scores one run; whatever goes wrong becomes the status of its record.

    A run that asks for it has its loss surface under the key `surface`.
    """
    started = now()
    record = new(run) | {"machine": machine.facts(device)}
    try:
        record |= _train_and_score(run, device, progress)
    except DivergedError as error:
        record |= {"status": "diverged", "reason": str(error)}
    except (MemoryError, torch.OutOfMemoryError) as error:
        record |= {"status": "oom", "reason": _reason(error)}
    except Exception as error:
        lines = traceback.format_exc().splitlines()
        record |= {"status": "failed", "reason": _reason(error), "traceback": lines}
    return record | {"seconds": round(now() - started, 2)}


def build(run: Run, device: str) -> tuple[Task, nn.Module, plugins.Method]:
    """The task, model and method of a run, from its configuration and seed alone.

    Weights come from the run's own stream: the global generator is put back as it was.
    """
    task = _on(plugins.load("tasks", run.task.name).load(run.seed, **run.task.kwargs), device)
    method = plugins.load("methods", run.method.name).build(task, **run.method.kwargs)
    module = plugins.load("models", run.model.name)
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(stream("weights", run.seed).initial_seed())
        model = module.build(task.signature, **run.model.kwargs)
    return task, model.to(device), method


def time_cells(runs: Iterable[Run], device: str, rounds: int) -> list[dict[str, Any]]:
    """Timings and counters of each run's training step and inference, all in one session.

    A cell that cannot be built or run has the key `reason` instead.
    """
    functions, cells = {}, []
    for index, run in enumerate(runs):
        try:
            step, inference, model = closures(run, device)
            step()
            cells.append({"timings": {}, "counters": counters.count(model, inference, device)})
            functions |= {(index, "train_step"): step, (index, "inference"): inference}
        except Exception as error:
            cells.append({"reason": _reason(error)})
    timings = measure(functions, rounds, clock(device)) if functions else {}
    for (index, kind), timing in timings.items():
        cells[index]["timings"][kind] = timing
    return cells


def seconds_per_step(runs: Iterable[Run], device: str) -> list[float | None]:
    """Rough time of one training step of each run; None where it cannot be run."""
    found = []
    for run in runs:
        try:
            step, _, _ = closures(run, device)
            step()
            found.append(clock(device)(step, 3))
        except Exception:
            found.append(None)
    return found


def clock(device: str) -> Clock:
    """The clock that fits the device."""
    return event_clock if device == "cuda" else wall_clock


def closures(run: Run, device: str) -> tuple[Callable, Callable, nn.Module]:
    """The training step that `train` takes, and inference, both on one batch of the run's size."""
    task, model, method = build(run, device)
    training = trainer(run, model, method)
    batch = next(batches_of(task.train, run.batch_size, stream("batches", run.seed)))
    resting = symmetrised(deepcopy(model).eval(), task.signature, run.symmetrise)

    @torch.inference_mode()
    def inference() -> dict[str, torch.Tensor]:
        return resting(batch.inputs)

    return lambda: training.step(batch), inference, resting


def _train_and_score(run: Run, device: str, progress: Progress) -> dict[str, dict]:
    task, model, method = build(run, device)
    best = train(run, task, model, method, progress)
    wrapped = symmetrised(model, task.signature, run.symmetrise)
    scores = best | score(run, task, wrapped, stream("scores", run.seed))
    return {"scores": scores} | (
        {"surface": slices(run, task, model, method)} if run.surface else {}
    )


def _on(task: Task, device: str) -> Task:
    splits: dict[str, Batch] = {name: getattr(task, name).to(device) for name in SPLITS}
    more = {name: batch.to(device) for name, batch in task.more.items()}
    return Task(task.signature, **splits, distance=task.distance, more=more)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(": ")


SPLITS = ("train", "val", "test")
