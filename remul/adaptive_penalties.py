"""Penalties that adapt their weights to what the terms do: GradNorm, and constrained training.

A step whose terms are not finite leaves their state as it is. With data spread over several
processes each has its own, and they drift apart unless it is shared by `load_state_dict`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, log, nan

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo  # imports the compiler at the first call alone

from remul.losses import EQUIVARIANCE, FIT, Terms
from remul.penalties import State, Weights, check_terms, weigh
from remul.values import list_trained

LEAST = 1e-3  # no weight of GradNorm's falls below it before they are rescaled
WIDEST = 1e4  # violations of the level beyond this factor count as it
BOUNDS = (1e-4, 1e6)  # of the multiplier of Dual


@dataclass
class GradNorm:
    """A penalty whose two weights adapt so that both terms train at one pace (Chen et al. 2018).

    With n_i the norm of term i's gradient in the shared weights W, G_i = w_i n_i and r_i the
    term's share of its first value over the mean of both shares, the weights take a plain gradient
    step on sum_i |G_i - mean(G) r_i^exponent|, the second part held constant, and are rescaled to
    sum to 2. That gradient is n_i sign(G_i - ...) in closed form, so nothing reaches the network's
    `.grad`. `watch` says what W is. REMUL confirms neither `exponent` nor `lr`: these are the
    values of Chen et al.

    Args:
        exponent: How hard the slower term is pulled.
        lr: Step size of the weights.
        alpha: Weight of the fit at the first step.
        beta: Weight of the equivariance term at the first step.

    Raises:
        ValueError: Unless all four are finite and positive, and at a call before `watch`.

    Example:
        >>> penalty, w = GradNorm(), torch.tensor([3.0, 4.0], requires_grad=True)
        >>> penalty.watch([w])
        >>> penalty({"fit": w.square().sum() / 2, "equivariance": 2 * w[1]}).item()
        20.5
        >>> {name: round(weight.item(), 3) for name, weight in penalty.weights.items()}
        {'fit': 0.909, 'equivariance': 1.091}
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

    def watch(self, parameters: Tensor | nn.Module | Iterable[Tensor]) -> None:
        """Take gradients in these parameters, in REMUL those of the network's last layer.

        A module stands for its parameters. Frozen ones do not count; `ValueError` if none is left,
        and for anything else.
        """
        self._shared = list_trained(parameters)

    @property
    def weights(self) -> Weights:
        """alpha and beta of the next step, as tensors on the device of the terms."""
        return dict(zip((FIT, EQUIVARIANCE), self._weights.unbind(), strict=True))

    @property
    def active(self) -> Weights:
        """Both weights: none is ever zero."""
        return self.weights

    @_disable_dynamo  # a compiled graph cannot take the gradients of its own parts
    def __call__(self, terms: Terms) -> Tensor:
        """Return the weighted sum of both terms; then take one step of the weights."""
        if not self._shared:
            raise ValueError("GradNorm has no shared weights; call watch(parameters) first")
        check_terms(terms, self.weights)
        values = _widen(torch.stack([terms[FIT], terms[EQUIVARIANCE]]))
        self._weights = self._weights.to(values)
        first = values if self._first is None else self._first.to(values)
        self._first = first = torch.where(first.isfinite().all(), first, values)
        total = weigh(terms, self.weights)
        shares = values / first.clamp(min=torch.finfo(values.dtype).tiny)
        self._step(shares, torch.stack([self._norm(terms[FIT]), self._norm(terms[EQUIVARIANCE])]))
        return total

    def _norm(self, term: Tensor) -> Tensor:
        gradients = torch.autograd.grad(
            term, self._shared, retain_graph=True, materialize_grads=True
        )
        return _widen(torch.cat([gradient.flatten() for gradient in gradients])).norm()

    def _step(self, shares: Tensor, norms: Tensor) -> None:
        pace = shares / shares.mean().clamp(min=torch.finfo(shares.dtype).tiny)
        size = self._weights * norms
        gap = size - size.mean() * pace**self.exponent
        moved = (self._weights - self.lr * norms * gap.sign()).clamp(min=LEAST)
        moved = 2 * moved / moved.sum()
        self._weights = torch.where(moved.isfinite().all(), moved, self._weights)

    def state_dict(self) -> State:
        """Return the weights and the first values of the terms."""
        first = None if self._first is None else _to_numbers("first", self._first)
        return {"weights": _to_numbers("weights", self._weights), "first": first}

    def load_state_dict(self, state: State) -> None:
        """Continue where `state_dict` was taken."""
        self._weights = torch.tensor(state["weights"], dtype=torch.float64)
        first = state["first"]
        self._first = None if first is None else torch.tensor(first, dtype=torch.float64)


@dataclass
class Dual:
    """A penalty that gives the best fit subject to equivariance <= level, by dual ascent.

    With v = log(mean / level) the relative violation of the term's running mean, log(beta) grows
    after each step by `lr` * v, and by `damping` times what v rose, which keeps beta from winding
    up while the term still falls (the PI form of Stooke et al. 2020). The logarithms make one `lr`
    do for levels decades apart, and beta positive: it stays within `BOUNDS`, at the lower one where
    training undercuts the level by itself. The end of training meets the level, not a state
    picked on the way.

    Args:
        level: Bound of the equivariance term, in its units. Choose `consistency_terms` where it is
            to bound asymmetry: the label-anchored term cannot fall below the fit.
        lr: Step size of log(beta).
        damping: What a rise of the violation adds to that step.
        smoothing: Share of the past in the running mean.
        alpha: Weight of the fit.
        beta: Weight of the equivariance term at the first step.

    Raises:
        ValueError: Unless `level`, `lr`, `alpha` and `beta` are finite and positive, `damping` is
            finite and not negative, and `smoothing` is in [0, 1).

    Example:
        >>> dual = Dual(level=0.1)
        >>> dual({"fit": torch.tensor(3.0), "equivariance": torch.tensor(4.0)})
        tensor(7.)
        >>> dual.weights["equivariance"] > 1  # the term is above its level
        tensor(True)
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
        """Return the weighted sum of both terms; then take one step of beta."""
        check_terms(terms, self.weights)
        value = _widen(terms[EQUIVARIANCE])
        self._log_beta = self._log_beta.to(value)
        total = weigh(terms, self.weights)
        mean = torch.full_like(value, nan) if self._mean is None else self._mean.to(value)
        before = torch.where(mean.isfinite(), mean, value)
        after = self.smoothing * before + (1 - self.smoothing) * value
        moved = self._ascend(self._violation(before), self._violation(after))
        finite = value.isfinite() & terms[FIT].detach().isfinite()
        self._mean = torch.where(finite, after, mean)
        self._log_beta = torch.where(finite, moved, self._log_beta)
        return total

    def _ascend(self, before: Tensor, after: Tensor) -> Tensor:
        moved = self._log_beta + self.lr * after + self.damping * (after - before)
        return moved.clamp(*map(log, BOUNDS))

    def _violation(self, mean: Tensor) -> Tensor:
        return (mean / self.level).clamp(min=0).log().clamp(-log(WIDEST), log(WIDEST))

    def state_dict(self) -> State:
        """Return the multiplier and the running mean of the equivariance term."""
        mean = None if self._mean is None else _to_numbers("mean", self._mean)
        return {"log_beta": _to_numbers("log_beta", self._log_beta), "mean": mean}

    def load_state_dict(self, state: State) -> None:
        """Continue where `state_dict` was taken."""
        self._log_beta = torch.tensor(state["log_beta"], dtype=torch.float64)
        mean = state["mean"]
        self._mean = None if mean is None else torch.tensor(mean, dtype=torch.float64)


def _check_positive(**options: float) -> None:
    for name, value in options.items():
        if not (isfinite(value) and value > 0):
            raise ValueError(f"{name} needs to be finite and positive, got {value}")


def _widen(values: Tensor) -> Tensor:
    """Return values without their graph, in a precision that small steps do not vanish in."""
    return values.detach().to(torch.promote_types(values.dtype, torch.float32))


def _to_numbers(name: str, values: Tensor) -> float | list[float]:
    if not values.isfinite().all():
        raise ValueError(f"the penalty's {name!r} is not finite: a term was not")
    return values.tolist()
