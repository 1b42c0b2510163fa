"""What a worker does: train and score one run; the closures that are timed."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from bench import curves, machine, modes, plugins
from bench.config import Run
from bench.evaluate import DivergedError, finite, profiles, score
from bench.plugins import Task
from bench.records import Record, new
from bench.surface import slices
from bench.symmetrise import symmetrised
from bench.timing import clock_of, now
from bench.train import Progress, batches_of, learns, stream, train, trainer
from remul import Batch
from remul.checks import check


def execute(run: Run, device: str, progress: Progress) -> tuple[Record, str]:
    """Trains and scores one run; whatever goes wrong becomes the status of its record.

    Returns the record and the curve of the training, as far as it came, as CSV. A run that asks
    for it has its loss surface under the key `surface`.
    """
    return recorded(run, device, lambda: build(run, device), partial(train, progress=progress))


def recorded(
    run: Run, device: str, built: Callable, trained: Callable, spent_s: float = 0.0
) -> tuple[Record, str]:
    """What `execute` returns, of a run built by one function and trained by another.

    `spent_s` is what had gone into it before.
    """
    started, points = now() - spent_s, []
    record = new(run) | {"machine": machine.facts(device)}
    try:
        task, model, method = built()
        _check_splits(task)
        points = method.penalty.points
        with seeded(run):
            best = trained(run, task, model, method)
            record |= _scored(run, task, model, method, best)
    except DivergedError as error:
        record |= {"status": "diverged", "reason": str(error)}
    except Exception as error:
        record |= outcome(error)
        if record["status"] == "failed":
            record["traceback"] = traceback.format_exc().splitlines()
    return record | {"seconds": round(now() - started, 2)}, curves.as_csv(points)


def build(run: Run, device: str) -> tuple[Task, nn.Module, plugins.Method]:
    """The task, model and method of a run, from its configuration and seed alone.

    The penalty is told the model's last layer if it asks, and keeps its curve.
    """
    loaded = plugins.load("tasks", run.task.name).load(run.seed, **run.task.kwargs)
    if not isinstance(loaded, Task):
        raise ValueError(
            f"load of {run.task.name} has to return a Task, not {type(loaded).__name__}"
        )
    task = _on(loaded, device)
    method = plugins.load("methods", run.method.name).build(task, **run.method.kwargs)
    module = plugins.load("models", run.model.name)
    with seeded(run):
        model = module.build(task.signature, **run.model.kwargs).to(device)
    if hasattr(method.penalty, "watch"):
        method.penalty.watch(last_layer(model))
    return task, model, replace(method, penalty=curves.traced(method.penalty, run.steps))


def seconds_per_step(runs: Iterable[Run], device: str) -> list[float | None]:
    """Rough time of one training step of each run; None where it cannot be run."""
    found = []
    for run in runs:
        try:
            step, inference, _ = closures(run, device)
            step = step or inference
            step()
            found.append(clock_of(device)(step, 3))
        except Exception:
            found.append(None)
    return found


def closures(
    run: Run, device: str, mode: str = "eager"
) -> tuple[Callable | None, Callable, nn.Module]:
    """The training step that `train` takes, and inference, both on one batch of the run's size.

    A model that learns nothing has no training step. The model that is returned is the eager one.
    """
    task, model, method = build(run, device)
    training = trainer(run, modes.applied(mode, model), method) if learns(model) else None
    batch = next(batches_of(task.train, run.batch_size, stream("batches", run.seed)))
    resting = symmetrised(deepcopy(model).eval(), task.signature, run.symmetrise)
    called, untrained = modes.applied(mode, resting), _untrained(resting, batch[:1])

    @untrained()
    def inference() -> dict[str, torch.Tensor]:
        return called(batch.inputs)

    return (lambda: training.step(batch)) if training else None, inference, resting


def _untrained(model: nn.Module, batch: Batch) -> type:
    """`inference_mode`, or `no_grad` for a model that differentiates inside, as for forces."""
    try:
        with torch.inference_mode():
            model(batch.inputs)
    except RuntimeError:
        return torch.no_grad
    return torch.inference_mode


def last_layer(model: nn.Module) -> list[nn.Parameter]:
    """The weights of the module with weights that the model declares last."""
    layers = [list(module.parameters(recurse=False)) for module in model.modules()]
    return next((weights for weights in reversed(layers) if weights), [])


@contextmanager
def seeded(run: Run) -> Iterator[None]:
    """The global generator seeded for the run, and afterwards as it was.

    What draws from it without asking: initial weights, dropout.
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(stream("weights", run.seed).initial_seed())
        yield


def _check_splits(task: Task) -> None:
    """Raises `ValueError`, naming the split, before hours of training end at it."""
    for name, batch in {"train": task.train, "val": task.val, **task.splits}.items():
        try:
            check(batch.inputs, task.signature.inputs)
            check(batch.targets, task.signature.outputs)
        except ValueError as error:
            raise ValueError(f"split {name!r}: {error}") from None


def _scored(
    run: Run, task: Task, model: nn.Module, method: plugins.Method, best: dict[str, float]
) -> Record:
    generator = stream("scores", run.seed)
    wrapped = symmetrised(model, task.signature, run.symmetrise)
    alone = run.symmetrise == "none"  # profiles are of the trained network
    found = {
        "scores": best | finite(score(run, task, wrapped, generator)),
        "profiles": profiles(task, model, generator) if alone else {},
        "penalty": curves.final(method.penalty.penalty),
    }
    settled = replace(method, penalty=curves.settled(method.penalty.penalty))
    return found | ({"surface": slices(run, task, model, settled)} if run.surface else {})


def _on(task: Task, device: str) -> Task:
    splits: dict[str, Batch] = {name: getattr(task, name).to(device) for name in SPLITS}
    more = {name: batch.to(device) for name, batch in task.more.items()}
    return Task(task.signature, **splits, distance=task.distance, more=more)


def outcome(error: Exception) -> dict[str, str]:
    """What a record says of an error: its status, out of memory or failed, and the reason."""
    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(": ")
    full = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return {"status": "oom" if full or CPU_FULL in str(error) else "failed", "reason": reason}


SPLITS = ("train", "val", "test")
CPU_FULL = "can't allocate memory"  # an allocation that fails on a CPU is a plain RuntimeError
