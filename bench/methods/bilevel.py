"""Bilevel training: weights that say who shares descend on validation, through the minimum."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import one_hot

from bench import Method, Run, Task
from bench.methods._hypergradients import SOLVERS, hypergradient
from bench.methods._tying import row_entropy, size_norm
from remul import Batch, field_distance

SURE = 30.0  # a logit after hardening: all others have no part


def build(
    task: Task, solver: str = "neumann", inner_steps: int = 50, strength: float = 0.05
) -> Method:
    """Parameter sharing of any network that says what is `upper` (Yeh et al. 2022).

    Each step fits the other weights to the training split by `inner_steps` of AdamW, then takes one
    of Adam on the upper weights, along the hypergradient of the validation error plus `strength`
    times the column norms of the assignment over its rows and half its row entropy. In the last
    step rows are hardened and the other weights fitted on. Solvers as in `_hypergradients`. Raises
    `ValueError` for others, for fewer inner steps than 1, and for networks without upper weights
    when training begins.
    """
    if inner_steps < 1:
        raise ValueError(f"inner_steps needs to be at least 1, got {inner_steps}")
    if solver not in SOLVERS:
        raise ValueError(f"no solver {solver!r}; there are {', '.join(SOLVERS)}")

    def train(run: Run, task: Task, model: nn.Module) -> Iterator[Tensor]:
        if not hasattr(model, "upper"):
            raise ValueError(f"{run.model.name} has no upper weights; discovery/position_wise has")
        name = model.upper()
        upper = dict(model.named_parameters())[name]
        own = [weight for key, weight in model.named_parameters() if key != name]
        outer = torch.optim.Adam([upper], lr=run.lr)
        inner = torch.optim.AdamW(own, lr=run.lr, weight_decay=1e-3)
        for step in range(1, run.steps + 1):
            _fit(model, own, inner, task, inner_steps)
            loss = _lower(model, task.train, task)
            slope = _slope(model, name, task, solver, strength, run.lr)
            upper.grad = slope.clamp(-1, 1)
            outer.step()
            if step == run.steps:
                hard = one_hot(model.partition(), upper.shape[-1])
                upper.data.copy_(SURE * hard)
                _fit(model, own, inner, task, 4 * inner_steps)
            yield loss.detach()

    return Method(train=train, constrained=True)


def _fit(
    model: nn.Module, own: list[Tensor], inner: torch.optim.Optimizer, task: Task, steps: int
) -> None:
    """Take steps of the lower problem on the training split."""
    for _ in range(steps):
        loss = _lower(model, task.train, task)
        for weight, slope in zip(own, torch.autograd.grad(loss, own), strict=True):
            weight.grad = slope
        inner.step()


def _lower(model: Callable, batch: Batch, task: Task) -> Tensor:
    """Return the error of a batch."""
    return field_distance(model(batch.inputs), batch.targets, task.distance)


def _slope(
    model: nn.Module, name: str, task: Task, solver: str, strength: float, rate: float
) -> Tensor:
    """Return the hypergradient of the upper problem in the upper weights."""
    named = {key: weight.detach() for key, weight in model.named_parameters()}
    shape = named.pop(name).shape
    sizes = [weight.numel() for weight in named.values()]

    def error(a: Tensor, w: Tensor, batch: Batch) -> Tensor:
        parts = zip(named.items(), w.split(sizes), strict=True)
        weights = {name: a.view(shape)} | {key: p.view(v.shape) for (key, v), p in parts}
        return _lower(lambda inputs: functional_call(model, weights, (inputs,)), batch, task)

    def upper_loss(a: Tensor, w: Tensor) -> Tensor:
        assignment = a.view(shape).softmax(-1)
        regulariser = size_norm(assignment) / shape[0] + 0.5 * row_entropy(assignment)
        return error(a, w, task.val) + strength * regulariser

    upper = dict(model.named_parameters())[name].detach().flatten()
    lower = torch.cat([weight.flatten() for weight in named.values()])
    found = hypergradient(
        upper_loss, lambda a, w: error(a, w, task.train), upper, lower, solver, rate
    )
    return found.view(shape)
