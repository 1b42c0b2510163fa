"""Several seeds of one configuration trained at once, to the scores that each has by itself."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.core.outcomes import DivergedError
from bench.system.clock import now
from bench.system.protocol import Step
from bench.training.build import build, watch_last_layer
from bench.training.checkpoints import NO_CHECKPOINT, Checkpoint
from bench.training.execute import Keep, TrainedRun, keep_nothing, record_training
from bench.training.loop import (
    BestCheckpoint,
    Progress,
    is_resumable,
    is_trainable,
    lr_factor,
    set_lr,
)
from bench.training.optimisers import ELEMENTWISE, Together, build_optimiser, load_state
from bench.training.seeds import ForwardRequest, LooksInsideError, Seed
from bench.training.stacked import Stacked
from remul import Batch, Fields, Terms

Parts = tuple[Task, nn.Module, Method]


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
        pairs = zip(runs, parts, strict=True)
        self.seeds = [Seed(run, task, method) for run, (task, _, method) in pairs]
        wrapped = any(method.wrap for _, _, method in parts)  # may sort samples anew
        self.model = Stacked([model for _, model, _ in parts], mapped=wrapped)
        self.clip, self.looks_inside = runs[0].clip, False
        self.elementwise = runs[0].optimiser in ELEMENTWISE
        self.optimiser = self._build_optimiser(runs[0].optimiser, runs[0].lr)
        for seed in self.seeds:  # gradients of its terms in the weights of other seeds are zero
            watch_last_layer(seed.method, self.model.whole)

    def _build_optimiser(self, name: str, lr: float) -> torch.optim.Optimizer | Together:
        if self.elementwise:
            return build_optimiser(name, self.model.whole, lr)
        return Together(*(build_optimiser(name, model, lr) for model in self.model.models))

    def step(self, batches: list[Batch]) -> list[Tensor | None]:
        """Take one step of every seed and return the losses, None where training has diverged."""
        self.model.whole.zero_grad(set_to_none=True)
        terms = zip(self.seeds, self.take_terms(batches), strict=True)
        losses = [None if s.diverged else s.method.penalty(own) for s, own in terms]
        torch.stack([loss for loss in losses if loss is not None]).sum().backward()
        self._clip()
        if not self.elementwise:
            self.model.part_gradients()
        self.optimiser.step()
        return [None if loss is None else loss.detach() for loss in losses]

    def take_terms(self, batches: list[Batch]) -> list[Terms]:
        """Return the terms of every seed, whose methods look into the model or do not."""
        if not self.looks_inside:
            try:
                return self.terms(batches)
            except LooksInsideError:
                self.looks_inside = True
        method, generator = self.seeds[0].method, self.seeds[0].generator  # which `vmap` refuses

        def inside(model: nn.Module, fields: tuple[Fields, Fields]) -> Terms:
            batch = Batch(*fields)
            return method.terms(model, batch, method.draw(batch, generator))

        return self.model.map(inside, [(batch.inputs, batch.targets) for batch in batches])

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
        trained = record_training(run, device, lambda part=part: part, end, keep)
        yield trained.count_in(spent)


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
        if run.validates_after(step):
            own = zip(trainer.seeds, checkpoints, losses, strict=True)
            errors = [_update(seed, checkpoint, step, loss) for seed, checkpoint, loss in own]
            pairs = zip(losses, errors, strict=True)
            known = [None if error is None else loss.item() for loss, error in pairs]
            progress(Step(step, known, errors))
        checkpoint.save(step, losses, state)
        if all(seed.diverged for seed in trainer.seeds):
            break
    trainer.model.separate()
    for _, model, method in parts:
        watch_last_layer(method, model)
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
