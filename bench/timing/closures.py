"""What is timed: inference, a training step, a step of several seeds at once."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from itertools import chain, repeat
from statistics import median
from typing import NoReturn

import torch
from torch import nn

from bench.core.cases import COMPILED, GRAPHED, UNTRAINABLE, TimingTarget
from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.core.outcomes import outcome
from bench.system.clock import clock_of
from bench.timing import counters, modes
from bench.training.batches import Batches
from bench.training.build import build, symmetrise
from bench.training.compilation import compile_terms
from bench.training.generators import rng
from bench.training.graphs import GraphedTrainer
from bench.training.loop import is_trainable, trainer
from bench.training.multi_seed import MultiSeedTrainer
from bench.training.stacked import Stacked
from remul import Batch

COMPARISON_ROUNDS = 3  # of seeds at once and one alone


def seconds_per_step(runs: Iterable[Run], device: str) -> list[float | None]:
    """Return the rough time of one training step of each run; None where it fails.

    Why is said once for all runs that fail of the same.
    """
    steps, failed = [], defaultdict(list)
    for run in runs:
        step_s, reason = _time_step(run, device)
        steps.append(step_s)
        if reason:
            failed[reason].append(f"{run.model} {run.method}")
    for reason, (first, *others) in failed.items():
        cells = f"{first} and {len(others)} more" if others else first
        print(f"no estimate: {cells}: {reason}", file=sys.stderr, flush=True)
    return steps


def _time_step(run: Run, device: str) -> tuple[float | None, str]:
    """Return the seconds of a step; or None, and why."""
    try:
        step, inference, _ = build_closures(run, device)
        step = step or inference
        step()
        return clock_of(device)(step, 3), ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plug-in may raise SystemExit as well
        return None, outcome(error)["reason"]


def build_closures(
    run: Run, device: str, mode: str = "eager"
) -> tuple[Callable | None, Callable, nn.Module]:
    """Return the training step that `train` takes, and inference, on one batch of the run's size.

    A model without weights has no training step. The model that is returned is the eager one.
    """
    task, model, method = build(run, device)
    batch = next(Batches(task.train, run.batch_size, rng("batches", run.seed)))
    resting = symmetrise(deepcopy(model).eval(), task.signature, run.symmetrise)
    called, untrained = modes.apply_mode(mode, resting), _inference_context(resting, batch[:1])
    method, step = compile_terms(method) if mode in COMPILED else method, None

    if is_trainable(model):
        step = _step_closure(run, (task, model, method), batch, mode)

    @untrained()
    def inference() -> dict[str, torch.Tensor]:
        return called(batch.inputs)

    return step, inference, resting


def _step_closure(
    run: Run, parts: tuple[Task, nn.Module, Method], batch: Batch, mode: str
) -> Callable[[], torch.Tensor]:
    """Return one step of training on the batch, or on its own data where a method trains itself.

    Such a training begins anew when it has come to its end.
    """
    task, model, method = parts
    if method.train:
        steps = chain.from_iterable(method.train(run, task, model) for _ in repeat(None))
        return lambda: next(steps)
    trained = trainer(run, model, method)
    if mode in GRAPHED:
        trained = GraphedTrainer(trained, _refuse)
    return lambda: trained.step(batch)


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)


def _inference_context(model: nn.Module, batch: Batch) -> type:
    """Return `inference_mode`, or `no_grad` for a model that differentiates inside itself."""
    try:
        with torch.inference_mode():
            model(batch.inputs)
    except RuntimeError:
        return torch.no_grad
    return torch.inference_mode


def build_closure(target: TimingTarget, device: str) -> Callable:
    """Return inference or a training step, in its mode and precision.

    A step is taken in the precision of its run, unless another than float32 is asked for.
    """
    run, mode = target.run, target.mode
    if target.dtype != "float32":
        run = replace(run, precision=target.dtype)
    step, inference, _ = build_closures(run, device, mode)
    function = step if target.training else modes.set_precision(target.dtype, inference, device)
    if function is None:
        raise ValueError(f"{run.model} {UNTRAINABLE}")
    return function if target.training else modes.capture(mode, function, device)


def count_run(run: Run, device: str) -> dict[str, int | None]:
    """Return the counters of a run, eager and in float32: the same on every call and machine."""
    step, inference, model = build_closures(run, device)
    inference()
    if step:
        step()
    return counters.count(model, inference, step)


def count_breaks(run: Run, device: str) -> int:
    """Return the graph breaks of inference; slow, since it traces the model."""
    task, model, _ = build(run, device)
    return counters.graph_breaks(model.eval(), task.train.inputs)


def compare_steps(runs: list[Run], device: str) -> tuple[float, float]:
    """Return milliseconds of a step of one seed, trained alone and at once with the others.

    Medians of a few steps, in turn. Raises whatever keeps the seeds from being trained at once.
    """
    trained = MultiSeedTrainer(runs, [build(run, device) for run in runs])
    batches = [next(seed.batches) for seed in trained.seeds]
    alone, clock = build_closure(TimingTarget(runs[0], training=True), device), clock_of(device)

    def at_once() -> None:
        trained.step(batches)

    alone()
    at_once()
    rounds = range(COMPARISON_ROUNDS)
    times = [(clock(alone, len(runs)), clock(at_once, 1) / len(runs)) for _ in rounds]
    _check_outputs(trained.model, batches)  # of weights that have moved: many begin as zero
    alone_s, at_once_s = (median(seconds) for seconds in zip(*times, strict=True))
    return 1e3 * alone_s, 1e3 * at_once_s


@torch.no_grad()
def _check_outputs(stacked: Stacked, batches: list[Batch]) -> None:
    inputs = [batch.inputs for batch in batches]
    for model, x, output in zip(stacked.models, inputs, stacked(inputs), strict=True):
        torch.testing.assert_close(output, model(x), rtol=1e-4, atol=1e-5)
