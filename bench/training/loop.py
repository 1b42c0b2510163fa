"""The training loop."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from itertools import islice
from math import cos, inf, isfinite, pi
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bench.core.config import Run
from bench.core.contracts import Method, Task
from bench.core.keys import run_name
from bench.core.outcomes import DivergedError
from bench.system import environment
from bench.system.protocol import Line, Step
from bench.training.batches import Batches
from bench.training.checkpoints import NO_CHECKPOINT, Checkpoint
from bench.training.generators import rng
from bench.training.graphs import GraphedTrainer
from bench.training.optimisers import Together, build_optimiser, load_state, set_lr
from bench.training.precision import autocast, check_precision, tf32
from bench.training.scores import squared_errors
from remul import Batch, Terms

UNREAD = ("clip", "decay", "optimiser", "precision")  # by methods that have a `train`
FINAL_LR = 0.01  # share of the learning rate that is left at the last step
Progress = Callable[[Step | Line], None]


@dataclass(frozen=True)
class Trainer:
    """A model in training, with all that one step needs."""

    model: nn.Module
    weights: list[nn.Parameter]  # of the model, whose tree takes long to walk at every step
    method: Method
    optimiser: torch.optim.Optimizer | Together
    generator: Generator
    clip: float
    precision: str = "float32"

    def step(self, batch: Batch) -> Tensor:
        """Take one step, terms, backward, clip, update, and return the loss."""
        return self.work(batch, self.method.draw(batch, self.generator))

    def work(
        self,
        batch: Batch,
        drawn: Any,  # noqa: ANN401 - what a method draws
        penalty: Callable[[Terms], Tensor] | None = None,
    ) -> Tensor:
        """Take one step with what the method has drawn, by the penalty as it is recorded or not."""
        self.optimiser.zero_grad(set_to_none=True)
        with tf32(self.precision):
            with autocast(self.precision, batch.device.type):
                terms = self.method.terms(self.model, batch, drawn)
                loss = (penalty or self.method.penalty)(terms)
            loss.backward()
        nn.utils.clip_grad_norm_(self.weights, self.clip)
        self.optimiser.step()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on but its batch."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "elements": self.generator.get_state(),
            "penalty": self.method.penalty.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        load_state(self.optimiser, state["optimiser"])
        self.generator.set_state(state["elements"])
        self.method.penalty.load_state_dict(state["penalty"])


def trainer(run: Run, model: nn.Module, method: Method) -> Trainer:
    """Return the trainer of a run, its group elements drawn from the run's seed."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    check_precision(run.precision, weights[0].device.type)
    optimiser = build_optimiser(run.optimiser, model, run.lr)
    elements = rng("elements", run.seed)
    return Trainer(model, weights, method, optimiser, elements, run.clip, run.precision)


def train(
    run: Run,
    task: Task,
    model: nn.Module,
    method: Method,
    progress: Progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> dict[str, float]:
    """Train the model in place and leave it in its best state on the validation split.

    Constrained training is left in its last state; a model without weights stays as it is. Returns
    that state's score and step. Goes on from the checkpoint, if there is one. Raises
    `DivergedError` when the loss is not finite.
    """
    if not is_trainable(model):
        return {"mse_val": validate(0, torch.zeros(()), model, task), "best_step": 0}
    best = BestCheckpoint(model, task, method.constrained)
    steps = take_steps(run, task, model, method)
    if os.environ.get(environment.GRAPH) and isinstance(steps, Steps):
        steps.trainer = GraphedTrainer(
            steps.trainer, lambda why: progress(Line(f"{run_name(run)}: {why}"))
        )
    parts = {"steps": steps, "best": best} if is_resumable(method) else {}
    for step, loss in enumerate(steps, checkpoint.resume(parts) + 1):
        if run.validates_after(step):
            error = best.update(step, loss)
            method.penalty.note_error(step, error)
            progress(Step(step, [loss.item()], [error]))
        checkpoint.save(step, [loss], parts)
    return best.restore()


def is_resumable(method: Method) -> bool:
    """Return whether the state of a training is known: that of its own ways is not."""
    return method.train is None and hasattr(method.penalty.penalty, "state_dict")


def take_steps(run: Run, task: Task, model: nn.Module, method: Method) -> Iterator[Tensor]:
    """Return the losses of one step after the other, as the method trains."""
    if method.train:
        _refuse_unread(run)
        return _take_own_steps(run, task, model, method)
    data = method.data or task.train
    batches = Batches(data, run.batch_size, rng("batches", run.seed))
    return Steps(run, trainer(run, model, method), batches)


def _refuse_unread(run: Run) -> None:
    """Raise `ValueError` for options that a method which trains in its own way does not read."""
    for one in fields(Run):
        if one.name in UNREAD and getattr(run, one.name) != one.default:
            why = f"{run.method} trains in its own way, which has no {one.name}"
            raise ValueError(f"{why}: leave it at {one.default}")


def _take_own_steps(run: Run, task: Task, model: nn.Module, method: Method) -> Iterator[Tensor]:
    for loss in islice(method.train(run, task, model), run.steps):
        method.penalty.note({"fit": loss.detach()})
        yield loss


@dataclass
class Steps:
    """The steps of a run, each of which gives its loss."""

    run: Run
    trainer: Trainer | GraphedTrainer
    batches: Batches
    step: int = 0

    def __iter__(self) -> "Steps":
        return self

    def __next__(self) -> Tensor:
        if self.step == self.run.steps:
            raise StopIteration
        set_lr(
            self.trainer.optimiser,
            self.run.lr * lr_factor(self.run.decay, self.step / self.run.steps),
        )
        self.step += 1
        return self.trainer.step(next(self.batches))

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on."""
        parts = {"trainer": self.trainer.state_dict(), "batches": self.batches.state_dict()}
        return {"step": self.step, **parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.step = state["step"]
        self.trainer.load_state_dict(state["trainer"])
        self.batches.load_state_dict(state["batches"])


@dataclass
class BestCheckpoint:
    """The state that training is to end in: the best on the validation split, or the last."""

    model: nn.Module
    task: Task
    last: bool
    score: dict[str, float] = field(default_factory=lambda: {"mse_val": inf, "best_step": 0})
    state: dict[str, Tensor] = field(default_factory=dict)

    def update(self, step: int, loss: Tensor) -> float:
        """Return the error of the model as it is; raises `DivergedError` as `validate` does."""
        error = validate(step, loss, self.model, self.task)
        if error < self.score["mse_val"] or self.last:
            self.score = {"mse_val": error, "best_step": step}
            self.state = deepcopy_state(self.model)
        return error

    def restore(self) -> dict[str, float]:
        """Leave the model in that state and return its score and step.

        Raises `ValueError` without one: a method that trains in its own way ended before.
        """
        if not self.state:
            raise ValueError(
                "training ended before its first validation: it has to yield every loss"
            )
        self.model.load_state_dict(self.state)
        return self.score

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far."""
        return {"score": self.score, "state": self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.score, self.state = state["score"], state["state"]


def is_trainable(model: nn.Module) -> bool:
    """Return whether there is anything to train."""
    return any(weights.requires_grad for weights in model.parameters())


def validate(step: int, loss: Tensor, model: nn.Module, task: Task) -> float:
    """Return the mean squared error on the validation split; raise `DivergedError` without one."""
    score = squared_errors(model, task.val, task.signature.outputs).mean
    if not (isfinite(score) and isfinite(loss.item())):
        raise DivergedError(f"loss {loss.item():.3g}, validation error {score:.3g} at step {step}")
    return score


def deepcopy_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights that further training does not touch."""
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def lr_factor(decay: str, progress: float) -> float:
    """Return the factor on the learning rate after a share of the run, from 1 to `FINAL_LR`."""
    if decay == "cosine":
        return FINAL_LR + (1 - FINAL_LR) * (1 + cos(pi * progress)) / 2
    return FINAL_LR**progress
