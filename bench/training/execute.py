"""What a worker does: train and score one run; the closures that are timed."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.core.outcomes import DivergedError, outcome
from bench.records.files import Record
from bench.records.run_store import new
from bench.system import machine
from bench.system.clock import now
from bench.training import history
from bench.training.build import _check_splits, build, seeded, symmetrised
from bench.training.loop import Progress, stream, train
from bench.training.loss_surface import slices
from bench.training.scores import finite, profiles, score


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
    return record | {"seconds": round(now() - started, 2)}, history.as_csv(points)


def _scored(
    run: Run, task: Task, model: nn.Module, method: Method, best: dict[str, float]
) -> Record:
    generator = stream("scores", run.seed)
    wrapped = symmetrised(model, task.signature, run.symmetrise)
    alone = run.symmetrise == "none"  # profiles are of the trained network
    found = {
        "scores": best | finite(score(run, task, wrapped, generator)),
        "profiles": profiles(task, model, generator) if alone else {},
        "penalty": history.final(method.penalty.penalty),
    }
    settled = replace(method, penalty=history.settled(method.penalty.penalty))
    return found | ({"surface": slices(run, task, model, settled)} if run.surface else {})
