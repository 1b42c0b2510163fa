"""The Laplace evidence of a network's priors, with all of the generalised Gauss-Newton matrix."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from bench.methods._curvature import Dense, Kronecker, factorise
from remul import Fields

LIKELIHOODS = ("gaussian", "categorical")
CURVATURES = ("full", "kronecker")


@dataclass(frozen=True)
class Problem:
    """A network's outputs as a function of all weights in one vector, and what they should be."""

    model: nn.Module
    answer: Callable[[Tensor, Fields], Tensor]  # (P,) and inputs to (samples, components)
    inputs: Fields
    target: Tensor
    likelihood: str
    group: Tensor  # (P,), which prior each weight has

    def outputs(self, weights: Tensor) -> Tensor:  # (samples, components)
        """Return what the network of these weights answers."""
        return self.answer(weights, self.inputs)

    def log_likelihood(self, weights: Tensor, log_variance: Tensor) -> Tensor:
        """Return log p(target | weights), of outputs that are means or else probabilities."""
        outputs = self.outputs(weights)
        if self.likelihood == "categorical":
            return (self.target * outputs.clamp_min(1e-12).log()).sum()
        square = (outputs - self.target).square().sum()
        count = self.target.numel()
        return -0.5 * (square / log_variance.exp() + count * (log_variance + LOG_2PI))

    def scale(self, log_variance: Tensor) -> Tensor:
        """Return what the curvature at variance 1 is to be multiplied with."""
        gaussian = self.likelihood == "gaussian"
        return (-log_variance).exp() if gaussian else torch.ones_like(log_variance)

    def curvature(self, weights: Tensor, how: str = "full") -> Dense | Kronecker:
        """Return J^T J at variance 1, J the slopes of what has a constant Fisher information.

        That are means themselves, and 2 sqrt p of probabilities p: in other coordinates, it is the
        curvature in their logits.
        """
        if how == "kronecker":
            leaf = weights.detach().requires_grad_()
            rows = lambda: self._stretch(self.outputs(leaf))  # noqa: E731 - called once, inside
            return factorise(self.model, rows, self.group)

        def rows_of(weights: Tensor, sample: Fields) -> Tensor:
            single = {name: x[None] for name, x in sample.items()}
            return self._stretch(self.answer(weights, single)[0])

        jacobian = vmap(jacrev(rows_of), (None, 0))(weights, self.inputs).flatten(0, 1)
        return Dense(jacobian.mT @ jacobian, self.group)

    def _stretch(self, outputs: Tensor) -> Tensor:
        return 2 * outputs.clamp_min(1e-12).sqrt() if self.likelihood == "categorical" else outputs


@dataclass(frozen=True)
class Evidence:
    """log p(data | priors) near the weights of most posterior probability (MacKay 1992)."""

    problem: Problem
    weights: Tensor  # (P,)
    curvature: Dense | Kronecker

    def log(self, log_precision: Tensor, log_variance: Tensor) -> Tensor:
        """Return the log-evidence of the precisions of all groups and the variance of the noise."""
        per_weight = log_precision[self.problem.group]
        log_prior = 0.5 * (per_weight - per_weight.exp() * self.weights.square()).sum()
        fit = self.problem.log_likelihood(self.weights, log_variance)
        scale = self.problem.scale(log_variance)
        return fit + log_prior - 0.5 * self.curvature.log_determinant(log_precision, scale)

    def dimensions(self, log_precision: Tensor, log_variance: Tensor) -> Tensor:  # (groups,)
        """Return how many weights of each group the data determine."""
        return self.curvature.dimensions(log_precision, self.problem.scale(log_variance))


def posterior_mode(
    problem: Problem, weights: Tensor, log_precision: Tensor, log_variance: Tensor
) -> Tensor:
    """Return the weights after a Gauss-Newton step, the mode of a network linear in its weights."""

    def loss(w: Tensor) -> Tensor:
        prior = 0.5 * (log_precision[problem.group].exp() * w.square()).sum()
        return prior - problem.log_likelihood(w, log_variance)

    slope = torch.func.grad(loss)(weights)
    scale = problem.scale(log_variance)
    hessian = problem.curvature(weights).plus_prior(log_precision, scale)
    return weights - torch.linalg.solve(hessian, slope)


def problem_of(
    model: nn.Module, inputs: Fields, targets: Fields, likelihood: str
) -> tuple[Problem, Tensor, list[str]]:
    """Return the problem, the weights, and the groups of weights by name.

    A model says by `pathways()` which of its weights share a prior; otherwise each tensor has one.
    In float64.
    """
    named = {name: w.detach().double() for name, w in model.named_parameters()}
    ways = model.pathways() if hasattr(model, "pathways") else {name: [name] for name in named}
    of = {name: i for i, members in enumerate(ways.values()) for name in members}
    group = torch.cat([torch.full((w.numel(),), of[name]) for name, w in named.items()])
    sizes = [w.numel() for w in named.values()]
    exact = {name: x.double() if x.is_floating_point() else x for name, x in inputs.items()}

    def answer(weights: Tensor, inputs: Fields) -> Tensor:
        parts = weights.split(sizes)
        own = {n: p.view(w.shape) for (n, w), p in zip(named.items(), parts, strict=True)}
        found = functional_call(model, own, (inputs,))
        return torch.cat([found[name].flatten(1) for name in targets], -1)

    target = torch.cat([y.flatten(1) for y in targets.values()], -1).double()
    weights = torch.cat([w.flatten() for w in named.values()])
    return Problem(model, answer, exact, target, likelihood, group), weights, [*ways]


LOG_2PI = torch.log(torch.tensor(2 * pi, dtype=torch.float64))
