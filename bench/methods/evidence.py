"""Layer-wise equivariance by marginal likelihood: the data choose how free each path may be."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn

from bench import Method, Run, Task
from bench.methods._laplace import (
    CURVATURES,
    LIKELIHOODS,
    Evidence,
    Problem,
    posterior_mode,
    problem_of,
)


def build(
    task: Task,
    likelihood: str = "gaussian",
    newton: bool = True,
    learn: bool = True,
    burn_in: int = 0,
    every: int = 1,
    updates: int = 1,
    rate: float = 0.1,
    precision: float = 1.0,
    curvature: str = "full",
) -> Method:
    """Maximum posterior weights, with prior precisions of most Laplace evidence.

    After van der Ouderaa et al. (2023). Every step is one of the weights on the whole training
    split: by Gauss-Newton, which is exact for a linear map, or by Adam if not `newton`. After
    `burn_in` steps, `every` so many, the logarithms of the precision of each group of weights
    and, where the `likelihood` is "gaussian" and not "categorical", of the variance of the noise
    take `updates` steps of Adam at `rate` uphill on the evidence. Its `curvature` is the "full"
    Gauss-Newton matrix, for networks of a few thousand weights, or "kronecker", a product for
    each layer of a larger one. Precisions begin at `precision`, and stay there unless they
    `learn`. Groups are the model's `pathways()`, or each of its tensors. The model is told
    `precision` and `dimension`, the number of weights that the data determine, by group, its noise
    `sigma` and `log_evidence` per sample. Raises `ValueError` for others.
    """
    _check(likelihood, curvature, newton)
    _check_numbers(burn_in, every, updates, rate, precision)

    def train(run: Run, task: Task, model: nn.Module) -> Iterator[Tensor]:
        data = task.train
        problem, weights, names = problem_of(model, data.inputs, data.targets, likelihood)
        priors = Priors.flat(len(names), likelihood, rate, precision)
        optimiser = torch.optim.Adam([weights.requires_grad_()], lr=run.lr)
        for step in range(1, run.steps + 1):
            if newton:
                mode = posterior_mode(problem, weights.detach(), *priors.values())
                weights.data.copy_(mode)
                loss = -problem.log_likelihood(mode, priors.values()[1])
            else:
                loss = _descend(problem, weights, priors, optimiser)
            if learn and step > burn_in and step % every == 0:
                priors.climb(_evidence(problem, weights, curvature), updates)
            if run.validates_after(step):
                _write(model, weights.detach())
            if step == run.steps:
                _tell(model, _evidence(problem, weights, curvature), priors, names, len(data))
            yield loss.detach() / len(data)

    return Method(train=train, constrained=True)


def _check(likelihood: str, curvature: str, newton: bool) -> None:
    if likelihood not in LIKELIHOODS:
        raise ValueError(f"no likelihood {likelihood!r}; there are {', '.join(LIKELIHOODS)}")
    known = CURVATURES[:1] if newton else CURVATURES
    if curvature not in known:
        words = ", of steps by Gauss-Newton" if newton else ""
        raise ValueError(f"no curvature {curvature!r}{words}; there are {', '.join(known)}")


def _check_numbers(burn_in: int, every: int, updates: int, rate: float, precision: float) -> None:
    if min(burn_in, updates) < 0 or every < 1 or min(rate, precision) <= 0:
        given = f"{burn_in=}, {every=}, {updates=}, {rate=}, {precision=}"
        raise ValueError(
            f"a rate, a precision and `every` are positive, none negative, got {given}"
        )


@dataclass(frozen=True)
class Priors:
    """Precisions of groups and the variance of the noise, by their logarithms, in training."""

    log_precision: Tensor
    log_variance: Tensor
    optimiser: torch.optim.Optimizer

    @classmethod
    def flat(cls, groups: int, likelihood: str, rate: float, precision: float) -> "Priors":
        """Return precisions all alike and noise of variance 1, which categories do not have."""
        log_precision = torch.full((groups,), log(precision), dtype=torch.float64)
        log_precision.requires_grad_()
        gaussian = likelihood == "gaussian"
        log_variance = torch.zeros((), dtype=torch.float64, requires_grad=gaussian)
        learned = [log_precision, *([log_variance] if gaussian else [])]
        return cls(log_precision, log_variance, torch.optim.Adam(learned, lr=rate))

    def values(self) -> tuple[Tensor, Tensor]:
        """Return both, held fixed."""
        return self.log_precision.detach(), self.log_variance.detach()

    def climb(self, evidence: Evidence, updates: int) -> None:
        """Take steps uphill on the evidence."""
        for _ in range(updates):
            self.optimiser.zero_grad()
            (-evidence.log(self.log_precision, self.log_variance)).backward()
            self.optimiser.step()


def _descend(
    problem: Problem,
    weights: Tensor,
    priors: Priors,
    optimiser: torch.optim.Optimizer,
) -> Tensor:
    """Take one step of Adam on the negative log-posterior and return the part of the data."""
    log_precision, log_variance = priors.values()
    loss = -problem.log_likelihood(weights, log_variance)
    prior = 0.5 * (log_precision[problem.group].exp() * weights.square()).sum()
    optimiser.zero_grad()
    ((loss + prior) / len(problem.target)).backward()
    optimiser.step()
    return loss


def _evidence(problem: Problem, weights: Tensor, curvature: str) -> Evidence:
    fixed = weights.detach()
    return Evidence(problem, fixed, problem.curvature(fixed, curvature))


@torch.no_grad()
def _write(model: nn.Module, weights: Tensor) -> None:
    sizes = [weight.numel() for weight in model.parameters()]
    for weight, values in zip(model.parameters(), weights.split(sizes), strict=True):
        weight.copy_(values.view(weight.shape))


def _tell(
    model: nn.Module, evidence: Evidence, priors: Priors, names: list[str], samples: int
) -> None:
    values = priors.values()
    dimensions = evidence.dimensions(*values)
    model.precision = dict(zip(names, values[0].exp().tolist(), strict=True))
    model.dimension = dict(zip(names, dimensions.tolist(), strict=True))
    model.sigma = float(values[1].exp().sqrt())
    model.log_evidence = float(evidence.log(*values)) / samples
