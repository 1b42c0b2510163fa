"""What is timed: inference, a training step, a step of several seeds at once."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from statistics import median

import torch
from torch import nn

from bench.core.cases import UNTRAINABLE, TimingTarget
from bench.core.config import Run
from bench.system.clock import clock_of
from bench.timing import counters, modes
from bench.training.build import build, symmetrised
from bench.training.loop import batches_of, learns, stream, trainer
from bench.training.multi_seed import Together
from bench.training.stacked import Stacked
from remul import Batch


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


def closure(timed: TimingTarget, device: str) -> Callable:
    """Inference or a training step, in its mode and precision."""
    run, mode = timed.run, timed.mode
    if timed.training and mode == "cuda_graph" and run.method.name != "plain":
        raise ValueError("group elements are drawn on the CPU, so this step is not one CUDA graph")
    step, inference, _ = closures(run, device, mode)
    function = step if timed.training else inference
    if function is None:
        raise ValueError(f"{run.model} {UNTRAINABLE}")
    return modes.captured(mode, modes.precise(timed.dtype, function, device), device)


def count(run: Run, device: str) -> dict[str, int]:
    """The counters of a run, eager and in float32: the same on every call and machine."""
    step, inference, model = closures(run, device)
    inference()
    if step:
        step()
    return counters.count(model, inference, device, step)


def breaks(run: Run, device: str) -> int:
    """Graph breaks of inference; slow, since it traces the model."""
    task, model, _ = build(run, device)
    return counters.graph_breaks(model.eval(), task.train.inputs)


ROUNDS = 3


def milliseconds(runs: list[Run], device: str) -> tuple[float, float]:
    """Time of one step of one seed, trained alone and at once with the others.

    Medians of a few steps, in turn. Raises whatever keeps the seeds from being trained at once.
    """
    parts = [build(run, device) for run in runs]
    together = Together(runs, parts)
    batches = [next(seed.batches) for seed in together.seeds]
    alone, clock = closures(runs[0], device)[0], clock_of(device)

    def at_once() -> None:
        together.step(batches)

    alone(), at_once()
    times = [(clock(alone, len(runs)), clock(at_once, 1) / len(runs)) for _ in range(ROUNDS)]
    _check_outputs(together.model, batches)  # of weights that have moved: many begin as zero
    return tuple(1e3 * median(found) for found in zip(*times, strict=True))


@torch.no_grad()
def _check_outputs(stacked: Stacked, batches: list[Batch]) -> None:
    inputs = [batch.inputs for batch in batches]
    for model, x, found in zip(stacked.models, inputs, stacked(inputs), strict=True):
        torch.testing.assert_close(found, model(x), rtol=1e-4, atol=1e-5)
