"""What a worker does with a run: build, train and score it."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from msgspec import structs
from torch import nn

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.core.outcomes import DivergedError, outcome
from bench.records import files, run_record
from bench.records.machine_facts import MachineFacts
from bench.records.run_record import Penalty, Profiles, RunRecord, Surface, blank_record
from bench.system import machine
from bench.system.clock import now
from bench.training import history
from bench.training.build import build, check_splits, symmetrise
from bench.training.checkpoints import NO_CHECKPOINT, Checkpoint
from bench.training.compilation import compile_if_asked
from bench.training.flops import count_training
from bench.training.generators import rng, seed_global_generators
from bench.training.loop import Progress, train
from bench.training.loss_surface import measure_surface
from bench.training.scores import check_finite, own_scores, part_finite, profiles, score
from remul import SO3

Artifacts = dict[str, bytes]  # by the ends of their files
Keep = Callable[[Run, Task, nn.Module], Artifacts]


class TrainedRun(NamedTuple):
    """What a run leaves: its record, curve as CSV, surface where it asks for one, and artifacts."""

    record: RunRecord
    curve: str
    surface: Surface | None = None
    artifacts: Artifacts | None = None

    def count_in(self, spent_s: float) -> "TrainedRun":
        """Return it with what had gone into the run before in its seconds."""
        seconds = round(self.record.seconds + spent_s, 2)
        return self._replace(record=structs.replace(self.record, seconds=seconds))


def keep_nothing(run: Run, task: Task, model: nn.Module) -> Artifacts:
    """Keep nothing of a trained model."""
    return {}


def execute(
    run: Run,
    device: str,
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
    keep: Keep = keep_nothing,
) -> TrainedRun:
    """Train and score one run; whatever goes wrong becomes the status of its record.

    The curve is that of the training as far as it came. `keep` makes the artifacts of the trained
    model.
    """
    train_run = partial(train, progress=progress, checkpoint=checkpoint)
    trained = record_training(run, device, partial(build, run, device), train_run, keep)
    return trained.count_in(checkpoint.spent_s)


def record_training(
    run: Run, device: str, build_run: Callable, train_run: Callable, keep: Keep
) -> TrainedRun:
    """Return what a run leaves that is built by one function and trained by another."""
    started, points = now(), []
    facts = MachineFacts(**machine.facts(device))
    try:
        task, model, method = build_run()
        check_splits(task)
        points = method.penalty.points
        with seed_global_generators(run):
            training = compile_if_asked(run, task, model, method)
            compiled = None if training is method else True
            facts = structs.replace(facts, compiled=compiled)
            best = train_run(run, task, model, training)
            trained_at = now()
            parts, surface = _score(run, task, model, method, best)
            parts["scoring_seconds"] = round(now() - trained_at, 2)
        record = files.reread(_record(run, started, facts, parts), run_record.parse)
        return TrainedRun(record, history.as_csv(points), surface, keep(run, task, model))
    except DivergedError as error:
        parts = {"status": "diverged", "reason": str(error)}
    except BaseException as error:  # a plug-in may raise SystemExit as well
        parts = outcome(error)
        if parts["status"] == "failed":
            parts["traceback"] = traceback.format_exc().splitlines()
    return TrainedRun(_record(run, started, facts, parts), history.as_csv(points))


def _record(run: Run, started: float, facts: MachineFacts, parts: Mapping[str, Any]) -> RunRecord:
    seconds = round(now() - started, 2)
    return structs.replace(blank_record(run), machine=facts, seconds=seconds, **parts)


def _score(
    run: Run, task: Task, model: nn.Module, method: Method, best: dict[str, float]
) -> tuple[dict[str, Any], Surface | None]:
    """Return the parts of a record that scoring makes, and the surface."""
    generator = rng("scores", run.seed)
    wrapped = symmetrise(model, task.signature, run.symmetrise)
    alone = run.symmetrise == "none"  # profiles are of the trained network, over rotations
    alone = alone and task.group is SO3
    scores = best | check_finite(score(run, task, wrapped, generator))
    own, odd = part_finite(own_scores(task, wrapped))
    parts = {
        "scores": scores | own,
        "reason": "left out: " + ", ".join(odd) if odd else None,
        "profiles": Profiles(**profiles(task, model, method.poses, generator))
        if alone
        else Profiles(),
        "penalty": Penalty(**history.final_weights(method.penalty.penalty)),
    }
    frozen = replace(method, penalty=history.freeze(method.penalty.penalty))
    parts["counters"] = count_training(run, task, model, frozen)
    if not run.surface:
        return parts, None
    surface = Surface(**measure_surface(run, task, model, frozen))
    return parts, files.reread(surface, run_record.parse_surface)
