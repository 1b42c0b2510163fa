"""Penalties: how the loss terms add up to one number, by weights fixed in advance."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

from torch import Tensor

from remul.losses import EQUIVARIANCE, FIT, Terms

Weights = dict[str, float | Tensor]
State = dict[str, float | list[float]]


class Penalty(Protocol):
    """What every penalty offers; none inherits from it."""

    @property
    def weights(self) -> Weights:
        """The weight of each term at the next step."""

    @property
    def active(self) -> Weights:
        """Those that are not zero: the terms of the others need no computing."""

    def __call__(self, terms: Terms) -> Tensor:
        """The weighted sum of the terms; weights that change then move on, one step per call."""

    def state_dict(self) -> State:
        """What has changed since the start, in plain numbers that JSON keeps."""

    def load_state_dict(self, state: State) -> None:
        """Continues where `state_dict` was taken."""


@dataclass(frozen=True)
class Constant:
    """alpha * fit + beta * equivariance with constant weights (REMUL, Eq. 6).

    `active` names the terms with a weight, the only ones that need computing: beta = 0 is plain
    training, alpha = 0 data augmentation. Raises `ValueError` for negative or non-finite weights
    and for two zeros.
    """

    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check_weights(self.alpha, self.beta)

    @property
    def weights(self) -> Weights:
        """alpha and beta by the name of their term."""
        return {FIT: self.alpha, EQUIVARIANCE: self.beta}

    @property
    def active(self) -> Weights:
        """The weights that are not zero, by the name of their term."""
        return _nonzero(self.weights)

    def __call__(self, terms: Terms) -> Tensor:
        """The weighted sum of the terms by name, each a scalar."""
        return weighted(terms, self.active)

    def state_dict(self) -> State:
        """Nothing: constant weights have no state."""
        return {}

    def load_state_dict(self, state: State) -> None:
        """Takes the empty state."""


@dataclass
class Ramp:
    """alpha * fit + beta_t * equivariance, beta_t linear from `start` to `beta` in `steps` steps.

    The first step has the weight `start`, step number `steps` + 1 and all later ones `beta`; it
    may also fall. While it is zero the equivariance term need not be computed. Raises `ValueError`
    for negative or non-finite weights, for two zeros at either end and for `steps` below 1.
    """

    beta: float
    steps: int
    alpha: float = 1.0
    start: float = 0.0
    step: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        _check_weights(self.alpha, self.beta)
        _check_weights(self.alpha, self.start)
        if self.steps < 1:
            raise ValueError(f"steps needs to be at least 1, got {self.steps}")

    @property
    def weights(self) -> Weights:
        """alpha and the beta of the next step."""
        done = min(self.step / self.steps, 1.0)
        return {FIT: self.alpha, EQUIVARIANCE: (1 - done) * self.start + done * self.beta}

    @property
    def active(self) -> Weights:
        """The weights of the next step that are not zero."""
        return _nonzero(self.weights)

    def __call__(self, terms: Terms) -> Tensor:
        """The weighted sum of the terms; then one step up the ramp."""
        total = weighted(terms, self.active)
        self.step += 1
        return total

    def state_dict(self) -> State:
        """The number of steps taken."""
        return {"step": self.step}

    def load_state_dict(self, state: State) -> None:
        """Continues where `state_dict` was taken."""
        self.step = state["step"]


def weighted(terms: Terms, weights: Weights) -> Tensor:
    """The sum of the terms that have a weight."""
    parts = [weight * terms[name] for name, weight in weights.items()]
    return sum(parts[1:], start=parts[0])


def _nonzero(weights: Weights) -> Weights:
    return {name: weight for name, weight in weights.items() if weight}


def _check_weights(alpha: float, beta: float) -> None:
    weights = (alpha, beta)
    if not all(isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
        raise ValueError(
            "alpha and beta need to be finite, not negative and not both zero, "
            f"got alpha={alpha}, beta={beta}"
        )
