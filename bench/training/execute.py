"""What a worker does: train and score one run; the closures that are timed."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from msgspec import structs
from torch import nn

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.core.outcomes import DivergedError, outcome
from bench.records.machine_facts import MachineFacts
from bench.records.run_record import Penalty, Profiles, RunRecord, Surface, blank_record
from bench.system import machine
from bench.system.clock import now
from bench.training import history
from bench.training.build import _check_splits, build, seeded, symmetrised
from bench.training.loop import Progress, stream, train
from bench.training.loss_surface import slices
from bench.training.scores import finite, profiles, score


class Trained(NamedTuple):
    """What a run leaves: its record, its curve as CSV, and its surface where it asks for one."""

    record: RunRecord
    curve: str
    surface: Surface | None = None


def execute(run: Run, device: str, progress: Progress) -> Trained:
    """Trains and scores one run; whatever goes wrong becomes the status of its record.

    The curve is that of the training as far as it came.
    """
    return recorded(run, device, lambda: build(run, device), partial(train, progress=progress))


def recorded(
    run: Run, device: str, built: Callable, trained: Callable, spent_s: float = 0.0
) -> Trained:
    """What `execute` returns, of a run built by one function and trained by another.

    `spent_s` is what had gone into it before.
    """
    started, points, surface = now() - spent_s, [], None
    facts = MachineFacts(**machine.facts(device))
    try:
        task, model, method = built()
        _check_splits(task)
        points = method.penalty.points
        with seeded(run):
            best = trained(run, task, model, method)
            trained_at = now()
            parts, surface = _scored(run, task, model, method, best)
            parts["scoring_seconds"] = round(now() - trained_at, 2)
    except DivergedError as error:
        parts = {"status": "diverged", "reason": str(error)}
    except Exception as error:
        parts = outcome(error)
        if parts["status"] == "failed":
            parts["traceback"] = traceback.format_exc().splitlines()
    seconds = round(now() - started, 2)
    record = structs.replace(blank_record(run), machine=facts, seconds=seconds, **parts)
    return Trained(record, history.as_csv(points), surface)


def _scored(
    run: Run, task: Task, model: nn.Module, method: Method, best: dict[str, float]
) -> tuple[dict[str, Any], Surface | None]:
    """The parts of a record that scoring makes, and the surface."""
    generator = stream("scores", run.seed)
    wrapped = symmetrised(model, task.signature, run.symmetrise)
    alone = run.symmetrise == "none"  # profiles are of the trained network
    parts = {
        "scores": best | finite(score(run, task, wrapped, generator)),
        "profiles": Profiles(**profiles(task, model, generator)) if alone else Profiles(),
        "penalty": Penalty(**history.final(method.penalty.penalty)),
    }
    settled = replace(method, penalty=history.settled(method.penalty.penalty))
    surface = Surface(**slices(run, task, model, settled)) if run.surface else None
    return parts, surface
