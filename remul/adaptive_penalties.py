"""Penalties that adapt their weights to what the terms do: GradNorm, and constrained training.

A step whose terms are not finite leaves their state as it is. With data spread over several
processes each has its own, and they drift apart unless it is shared by `load_state_dict`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, log

import torch
from torch import Tensor

from remul.losses import EQUIVARIANCE, FIT, Terms
from remul.penalties import State, Weights, weighted


@dataclass
class GradNorm:
    """Both weights adapt so that both terms train at one pace (GradNorm, Chen et al. 2018).

    With n_i the norm of term i's gradient in the shared weights W, G_i = w_i n_i and r_i the
    term's share of its first value over the mean of both shares, the weights take a plain gradient
    step on sum_i |G_i - mean(G) r_i^exponent|, the second part held constant, and are rescaled to
    sum to 2; the first step weighs with `alpha` and `beta` as given. That gradient is
    n_i sign(G_i - ...) in closed form, so nothing reaches the network's `.grad`. `watch` says what
    W is. REMUL confirms neither `exponent` nor `lr`: these are the values of Chen et al. Raises
    `ValueError` unless all four are finite and positive.
    """

    exponent: float = 1.5
    lr: float = 0.025
    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check_positive(exponent=self.exponent, lr=self.lr, alpha=self.alpha, beta=self.beta)
        self._shared: list[Tensor] = []
        self._weights = torch.tensor([self.alpha, self.beta], dtype=torch.float64)
        self._first: Tensor | None = None

    def watch(self, parameters: Iterable[Tensor]) -> None:
        """Takes gradients in these parameters, in REMUL those of the network's last layer."""
        self._shared = [p for p in parameters if p.requires_grad]

    @property
    def weights(self) -> Weights:
        """alpha and beta of the next step, as tensors on the device of the terms."""
        return dict(zip((FIT, EQUIVARIANCE), self._weights.unbind(), strict=True))

    @property
    def active(self) -> Weights:
        """Both weights: none is ever zero."""
        return self.weights

    @torch.compiler.disable  # a compiled graph cannot take the gradients of its own parts
    def __call__(self, terms: Terms) -> Tensor:
        """The weighted sum of both terms; then one step of the weights."""
        if not self._shared:
            raise ValueError("GradNorm has no shared weights; call watch(parameters) first")
        values = _wide(torch.stack([terms[FIT], terms[EQUIVARIANCE]]))
        self._weights = self._weights.to(values)
        first = values if self._first is None else self._first.to(values)
        self._first = torch.where(first.isfinite(), first, values)
        total = weighted(terms, self.weights)
        self._step(values, torch.stack([self._norm(terms[FIT]), self._norm(terms[EQUIVARIANCE])]))
        return total

    def _norm(self, term: Tensor) -> Tensor:
        gradients = torch.autograd.grad(
            term, self._shared, retain_graph=True, materialize_grads=True
        )
        return _wide(torch.cat([gradient.flatten() for gradient in gradients])).norm()

    def _step(self, values: Tensor, norms: Tensor) -> None:
        tiny = torch.finfo(values.dtype).tiny
        shares = values / self._first.clamp(min=tiny)
        pace = shares / shares.mean().clamp(min=tiny)
        size = self._weights * norms
        gap = size - size.mean() * pace**self.exponent
        moved = (self._weights - self.lr * norms * gap.sign()).clamp(min=LEAST)
        moved = 2 * moved / moved.sum()
        self._weights = torch.where(moved.isfinite().all(), moved, self._weights)

    def state_dict(self) -> State:
        """The weights and the first values of the terms."""
        first = None if self._first is None else _numbers("first", self._first)
        return {"weights": _numbers("weights", self._weights), "first": first}

    def load_state_dict(self, state: State) -> None:
        """Continues where `state_dict` was taken."""
        self._weights = torch.tensor(state["weights"], dtype=torch.float64)
        first = state["first"]
        self._first = None if first is None else torch.tensor(first, dtype=torch.float64)


@dataclass
class Dual:
    """Keeps the equivariance term at `level`: the best fit subject to equivariance <= level.

    Dual ascent on the logarithm of the multiplier, with v = log(mean / level) the relative
    violation of the term's running mean: after each step log(beta) grows by `lr` * v, and by
    `damping` times what v rose, which keeps beta from winding up while the term still falls, so
    that it comes down to the level without undercutting it (the PI form of Stooke et al. 2020).
    The logarithms make one `lr` do for levels decades apart, and beta positive: it stays within
    `BOUNDS`, at the lower one where training undercuts the level by itself. `level` is in units
    of the term: choose `consistency_terms`, f(g x) against g f(x), where it is to bound asymmetry;
    the label-anchored term cannot fall below the fit. It is the end of training that meets the
    level, not a state picked on the way. Raises `ValueError` unless `level`, `lr`, `alpha`, `beta`
    are finite and positive, `damping` is finite and not negative and `smoothing` is in [0, 1).
    """

    level: float
    lr: float = 0.03
    damping: float = 4.0
    smoothing: float = 0.9
    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check_positive(level=self.level, lr=self.lr, alpha=self.alpha, beta=self.beta)
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing needs to be in [0, 1), got {self.smoothing}")
        if not (isfinite(self.damping) and self.damping >= 0):
            raise ValueError(f"damping needs to be finite, not negative, got {self.damping}")
        self._log_beta = torch.tensor(log(self.beta), dtype=torch.float64)
        self._mean: Tensor | None = None

    @property
    def weights(self) -> Weights:
        """alpha, and the beta of the next step as a tensor on the device of the terms."""
        return {FIT: self.alpha, EQUIVARIANCE: self._log_beta.exp()}

    @property
    def active(self) -> Weights:
        """Both weights: none is ever zero."""
        return self.weights

    def __call__(self, terms: Terms) -> Tensor:
        """The weighted sum of both terms; then one step of beta."""
        value = _wide(terms[EQUIVARIANCE])
        self._log_beta = self._log_beta.to(value)
        total = weighted(terms, self.weights)
        known = value if self._mean is None else self._mean.to(value)
        before = torch.where(known.isfinite(), known, value)
        now = self.smoothing * before + (1 - self.smoothing) * value
        moved = self._ascended(self._violation(before), self._violation(now))
        self._mean = torch.where(value.isfinite(), now, before)
        self._log_beta = torch.where(value.isfinite(), moved, self._log_beta)
        return total

    def _ascended(self, before: Tensor, now: Tensor) -> Tensor:
        moved = self._log_beta + self.lr * now + self.damping * (now - before)
        return moved.clamp(*map(log, BOUNDS))

    def _violation(self, mean: Tensor) -> Tensor:
        return (mean / self.level).log().clamp(-log(WIDEST), log(WIDEST))

    def state_dict(self) -> State:
        """The multiplier and the running mean of the equivariance term."""
        mean = None if self._mean is None else _numbers("mean", self._mean)
        return {"log_beta": _numbers("log_beta", self._log_beta), "mean": mean}

    def load_state_dict(self, state: State) -> None:
        """Continues where `state_dict` was taken."""
        self._log_beta = torch.tensor(state["log_beta"], dtype=torch.float64)
        mean = state["mean"]
        self._mean = None if mean is None else torch.tensor(mean, dtype=torch.float64)


LEAST = 1e-3  # no weight of GradNorm's falls below it before they are rescaled
WIDEST = 1e4  # violations of the level beyond this factor count as it
BOUNDS = (1e-4, 1e6)  # of the multiplier of Dual


def _check_positive(**options: float) -> None:
    for name, value in options.items():
        if not (isfinite(value) and value > 0):
            raise ValueError(f"{name} needs to be finite and positive, got {value}")


def _wide(values: Tensor) -> Tensor:
    """The values without their graph, in a precision that small steps do not vanish in."""
    return values.detach().to(torch.promote_types(values.dtype, torch.float32))


def _numbers(name: str, values: Tensor) -> float | list[float]:
    if not values.isfinite().all():
        raise ValueError(f"the penalty's {name!r} is not finite: a term was not")
    return values.tolist()
