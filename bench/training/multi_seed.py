"""Several seeds of one configuration trained at once, to the scores that each has by itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.core.outcomes import DivergedError
from bench.system.clock import now
from bench.system.protocol import Step
from bench.training.batches import Batches
from bench.training.build import build
from bench.training.checkpoints import NO_CHECKPOINT, Checkpoint
from bench.training.execute import Keep, TrainedRun, keep_nothing, keeping, record_training
from bench.training.generators import rng
from bench.training.loop import (
    BestCheckpoint,
    Progress,
    is_checkpoint,
    is_resumable,
    is_trainable,
    lr_factor,
    set_lr,
)
from bench.training.optimisers import ELEMENTWISE, build_optimiser, load_state
from bench.training.stacked import Stacked
from remul import Batch, Fields, Terms

Parts = tuple[Task, nn.Module, Method]


class ForwardRequest(Exception):  # noqa: N818 - no error: outputs that are not there yet
    """The inputs that a method wants the outputs of."""

    def __init__(self, inputs: Fields) -> None:
        self.inputs = inputs


@dataclass
class Seed:
    """One of several trainings: its own method, group elements and batches."""

    run: Run
    task: Task
    method: Method
    generator: Generator = field(init=False)
    batches: Batches = field(init=False)
    diverged: DivergedError | None = None

    def __post_init__(self) -> None:
        self.generator = rng("elements", self.run.seed)
        order = rng("batches", self.run.seed)
        data = self.method.data or self.task.train
        self.batches = Batches(data, self.run.batch_size, order)

    def terms(self, batch: Batch, state: Tensor, outputs: list[Fields]) -> Terms | ForwardRequest:
        """Return the method's terms, from outputs of its first model calls, or the next call.

        Begins anew each time, with the group elements that follow the generator's `state`.
        """
        given = iter(outputs)

        def model(inputs: Fields) -> Fields:
            output = next(given, None)
            if any(is_functorch_wrapped_tensor(x) or x.requires_grad for x in inputs.values()):
                raise ValueError("the method takes derivatives of the model in its inputs")
            if output is None:
                raise ForwardRequest(inputs)
            return output

        self.generator.set_state(state)
        try:
            return self.method.terms(model, batch, self.method.draw(batch, self.generator))
        except ForwardRequest as request:
            return request

    def state_dict(self) -> dict[str, Any]:
        """Return all that the seed's next step depends on but the weights."""
        return {
            "batches": self.batches.state_dict(),
            "elements": self.generator.get_state(),
            "penalty": self.method.penalty.state_dict(),
            "diverged": self.diverged and str(self.diverged),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.batches.load_state_dict(state["batches"])
        self.generator.set_state(state["elements"])
        self.method.penalty.load_state_dict(state["penalty"])
        self.diverged = DivergedError(state["diverged"]) if state["diverged"] else None


class MultiSeedTrainer:
    """The trainer of several seeds: what `training.loop.Trainer` is for one.

    Raises `ValueError` for what cannot be trained so.
    """

    def __init__(self, runs: list[Run], parts: list[Parts]) -> None:
        if not all(is_trainable(model) for _, model, _ in parts):
            raise ValueError("the model learns nothing")
        if any(method.train for _, _, method in parts):
            raise ValueError("the method trains in its own way")
        if runs[0].precision != "float32":
            raise ValueError(f"{runs[0].precision} is for one seed")
        if any(method.wrap for _, _, method in parts):
            raise ValueError("the method looks into the model")
        if runs[0].optimiser not in ELEMENTWISE:
            raise ValueError(f"{runs[0].optimiser} takes the matrices of one seed")
        if any(hasattr(method.penalty.penalty, "watch") for _, _, method in parts):
            raise ValueError("its penalty takes gradients in the weights of one model")
        pairs = zip(runs, parts, strict=True)
        self.seeds = [Seed(run, task, method) for run, (task, _, method) in pairs]
        self.model = Stacked([model for _, model, _ in parts])
        self.clip = runs[0].clip
        self.optimiser = build_optimiser(runs[0].optimiser, self.model.whole, runs[0].lr)

    def step(self, batches: list[Batch]) -> list[Tensor | None]:
        """Take one step of every seed and return the losses, None where training has diverged."""
        self.optimiser.zero_grad(set_to_none=True)
        terms = zip(self.seeds, self.terms(batches), strict=True)
        losses = [None if s.diverged else s.method.penalty(own) for s, own in terms]
        torch.stack([loss for loss in losses if loss is not None]).sum().backward()
        self._clip()
        self.optimiser.step()
        return [None if loss is None else loss.detach() for loss in losses]

    def terms(self, batches: list[Batch]) -> list[Terms]:
        """Return the terms of every seed; each call of the model is one for all seeds."""
        states = [seed.generator.get_state() for seed in self.seeds]
        outputs: list[list[Fields]] = [[] for _ in self.seeds]
        while True:
            each = zip(self.seeds, batches, states, outputs, strict=True)
            terms = [seed.terms(*rest) for seed, *rest in each]
            inputs = [request.inputs for request in terms if isinstance(request, ForwardRequest)]
            if not inputs:
                return terms
            for earlier, output in zip(outputs, self.model(inputs), strict=True):
                earlier.append(output)

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on."""
        return {
            "model": self.model.whole.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "seeds": [seed.state_dict() for seed in self.seeds],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.model.whole.load_state_dict(state["model"])
        load_state(self.optimiser, state["optimiser"])
        for seed, own in zip(self.seeds, state["seeds"], strict=True):
            seed.load_state_dict(own)

    def _clip(self) -> None:
        """Scale the gradient of each seed down to the norm `clip`, as for one seed."""
        gradients = [w.grad for w in self.model.whole.parameters() if w.grad is not None]
        norms = [gradient.reshape(len(self.seeds), -1).norm(dim=1) for gradient in gradients]
        share = (self.clip / (torch.stack(norms).norm(dim=0) + 1e-6)).clamp(max=1)  # (seeds,)
        for gradient in gradients:
            gradient.mul_(share.view(-1, *[1] * (gradient.dim() - 1)))


def execute_seeds(
    runs: list[Run],
    device: str,
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
    keep: Keep = keep_nothing,
) -> Iterator[TrainedRun]:
    """Train seeds of one configuration at once, then yield what each of them leaves.

    It is what `execute.execute` makes of it; `seconds` counts a share of the training.
    Raises whatever keeps the seeds from being trained at once.
    """
    started = now()
    parts = [build(run, device) for run in runs]
    ends = train_seeds(runs, parts, progress, checkpoint)
    spent = (checkpoint.spent_s + now() - started) / len(runs)
    for run, part, end in zip(runs, parts, ends, strict=True):
        yield record_training(run, device, lambda part=part: part, keeping(end, keep), spent)


def train_seeds(
    runs: list[Run], parts: list[Parts], progress: Progress, checkpoint: Checkpoint = NO_CHECKPOINT
) -> list[Callable[..., dict[str, float]]]:
    """Train all models in place, as `training.loop.train` does one.

    Returns for each seed a function that leaves its model in the state to keep and returns the
    score of that state, or raises the seed's `DivergedError`.
    """
    run, trainer = runs[0], MultiSeedTrainer(runs, parts)
    checkpoints = [BestCheckpoint(model, task, method.constrained) for task, model, method in parts]
    resumable = all(is_resumable(method) for _, _, method in parts)
    each = {f"best of {run.seed}": best for run, best in zip(runs, checkpoints, strict=True)}
    state = {"trainer": trainer, **each} if resumable else {}
    for step in range(checkpoint.resume(state) + 1, run.steps + 1):
        set_lr(trainer.optimiser, run.lr * lr_factor(run.decay, (step - 1) / run.steps))
        losses = trainer.step([next(seed.batches) for seed in trainer.seeds])
        if is_checkpoint(step, run):
            own = zip(trainer.seeds, checkpoints, losses, strict=True)
            errors = [_update(seed, checkpoint, step, loss) for seed, checkpoint, loss in own]
            pairs = zip(losses, errors, strict=True)
            known = [None if error is None else loss.item() for loss, error in pairs]
            progress(Step(step, known, errors))
        checkpoint.save(step, losses, state)
        if all(seed.diverged for seed in trainer.seeds):
            break
    trainer.model.separate()
    return [_restore(*pair) for pair in zip(trainer.seeds, checkpoints, strict=True)]


def _update(seed: Seed, checkpoint: BestCheckpoint, step: int, loss: Tensor | None) -> float | None:
    """Score the model of a seed; None if its training has diverged."""
    if seed.diverged:
        return None
    try:
        error = checkpoint.update(step, loss)
    except DivergedError as error:
        seed.diverged = error
        return None
    seed.method.penalty.note_error(step, error)
    return error


def _restore(seed: Seed, checkpoint: BestCheckpoint) -> Callable[..., dict[str, float]]:
    def restore(*_: object) -> dict[str, float]:
        if seed.diverged:
            raise seed.diverged
        return checkpoint.restore()

    return restore
