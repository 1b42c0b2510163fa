"""The Laplace evidence of a network's priors, with all of the generalised Gauss-Newton matrix."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from remul import Fields

LIKELIHOODS = ("gaussian", "categorical")


@dataclass(frozen=True)
class Problem:
    """A network's outputs as a function of all weights in one vector, and what they should be."""

    outputs: Callable[[Tensor], Tensor]  # (P,) to (samples, components)
    target: Tensor
    likelihood: str

    def log_likelihood(self, weights: Tensor, log_variance: Tensor) -> Tensor:
        """Return log p(target | weights), of outputs that are means or else probabilities."""
        outputs = self.outputs(weights)
        if self.likelihood == "categorical":
            return (self.target * outputs.clamp_min(1e-12).log()).sum()
        square = (outputs - self.target).square().sum()
        count = self.target.numel()
        return -0.5 * (square / log_variance.exp() + count * (log_variance + LOG_2PI))

    def curvature(self, weights: Tensor) -> Tensor:
        """Return J^T L J, (P, P), L the Hessian of the negative log-likelihood at variance 1.

        That of probabilities p is diag(1 / p), which is the one of logits in other coordinates.
        """
        jacobian = jacrev(self.outputs)(weights).flatten(0, 1)  # (samples components, P)
        if self.likelihood == "categorical":
            jacobian = jacobian / self.outputs(weights).flatten()[:, None].clamp_min(1e-9).sqrt()
        return jacobian.mT @ jacobian


@dataclass(frozen=True)
class Evidence:
    """log p(data | priors) near the weights of most posterior probability (MacKay 1992).

    `group` says which prior each weight has, N(0, 1 / precision).
    """

    problem: Problem
    weights: Tensor  # (P,)
    curvature: Tensor  # (P, P), at variance 1
    group: Tensor  # (P,)

    def log(self, log_precision: Tensor, log_variance: Tensor) -> Tensor:
        """Return the log-evidence of the precisions of all groups and the variance of the noise."""
        per_weight = log_precision[self.group]
        log_prior = 0.5 * (per_weight - per_weight.exp() * self.weights.square()).sum()
        fit = self.problem.log_likelihood(self.weights, log_variance)
        return fit + log_prior - 0.5 * torch.logdet(self.hessian(log_precision, log_variance))

    def hessian(self, log_precision: Tensor, log_variance: Tensor) -> Tensor:
        """Return the Hessian of the negative log-posterior."""
        gaussian = self.problem.likelihood == "gaussian"
        curvature = self.curvature / log_variance.exp() if gaussian else self.curvature
        return curvature + torch.diag(log_precision[self.group].exp())

    def dimensions(self, log_precision: Tensor, log_variance: Tensor) -> Tensor:  # (groups,)
        """Return how many weights of each group the data determine: P_l - precision tr Sigma_l."""
        variance = torch.linalg.inv(self.hessian(log_precision, log_variance)).diagonal()
        determined = 1 - log_precision[self.group].exp() * variance
        return torch.zeros_like(log_precision).index_add(0, self.group, determined)


def posterior_mode(
    problem: Problem, weights: Tensor, group: Tensor, log_precision: Tensor, log_variance: Tensor
) -> Tensor:
    """Return the weights after a Gauss-Newton step, the mode of a network linear in its weights."""
    evidence = Evidence(problem, weights, problem.curvature(weights), group)

    def loss(w: Tensor) -> Tensor:
        prior = 0.5 * (log_precision[group].exp() * w.square()).sum()
        return prior - problem.log_likelihood(w, log_variance)

    slope = torch.func.grad(loss)(weights)
    return weights - torch.linalg.solve(evidence.hessian(log_precision, log_variance), slope)


def problem_of(
    model: nn.Module, inputs: Fields, targets: Fields, likelihood: str
) -> tuple[Problem, Tensor, Tensor, list[str]]:
    """Return the problem, the weights, the group of each weight, and the groups by name.

    A model says by `pathways()` which of its weights share a prior; otherwise each tensor has one.
    In float64.
    """
    named = {name: w.detach().double() for name, w in model.named_parameters()}
    ways = model.pathways() if hasattr(model, "pathways") else {name: [name] for name in named}
    of = {name: i for i, members in enumerate(ways.values()) for name in members}
    group = torch.cat([torch.full((w.numel(),), of[name]) for name, w in named.items()])
    sizes = [w.numel() for w in named.values()]
    exact = {name: x.double() if x.is_floating_point() else x for name, x in inputs.items()}

    def outputs(weights: Tensor) -> Tensor:
        parts = weights.split(sizes)
        own = {n: p.view(w.shape) for (n, w), p in zip(named.items(), parts, strict=True)}
        found = functional_call(model, own, (exact,))
        return torch.cat([found[name].flatten(1) for name in targets], -1)

    target = torch.cat([y.flatten(1) for y in targets.values()], -1).double()
    weights = torch.cat([w.flatten() for w in named.values()])
    return Problem(outputs, target, likelihood), weights, group, [*ways]


LOG_2PI = torch.log(torch.tensor(2 * pi, dtype=torch.float64))
