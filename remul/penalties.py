"""Penalties: how the loss terms add up to one number, by weights fixed in advance."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Protocol

from torch import Tensor
from torch.nn.functional import relu

from remul.losses import EQUIVARIANCE, FIT, Terms

Weights = dict[str, float | Tensor]
State = dict[str, Any]  # numbers, lists of them and None, all of which JSON keeps


class Penalty(Protocol):
    """What adds the loss terms up; a class that has these methods is one without inheriting.

    Example:
        >>> penalties: list[Penalty] = [Constant(), Ramp(10.0, 100), GradNorm(), Dual(0.01)]
        >>> penalties[0].active
        {'fit': 1.0, 'equivariance': 1.0}
    """

    @property
    def weights(self) -> Weights:
        """The weight of each term at the next step."""
        ...

    @property
    def active(self) -> Weights:
        """Those that are not zero: the terms of the others need no computing."""
        ...

    def __call__(self, terms: Terms) -> Tensor:
        """Return the weighted sum of the terms; then move changing weights on by one step."""
        ...

    def state_dict(self) -> State:
        """Return what has changed since the start, in plain numbers that JSON keeps."""
        ...

    def load_state_dict(self, state: State) -> None:
        """Continue where `state_dict` was taken."""
        ...


@dataclass(frozen=True)
class Constant:
    """The penalty alpha * fit + beta * equivariance (REMUL, Eq. 6).

    beta = 0 is plain training, alpha = 0 data augmentation.

    Args:
        alpha: Weight of the fit. It comes first: `Constant(10)` has beta = 1.
        beta: Weight of the equivariance term.

    Raises:
        ValueError: For weights that are negative, not finite or both zero.

    Example:
        >>> terms = {"fit": torch.tensor(3.0), "equivariance": torch.tensor(4.0)}
        >>> Constant(alpha=1, beta=10)(terms)
        tensor(43.)
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
        return _drop_zeros(self.weights)

    def __call__(self, terms: Terms) -> Tensor:
        """Return the weighted sum of the terms by name, each a scalar."""
        return weigh(terms, self.active)

    def state_dict(self) -> State:
        """Return nothing: constant weights have no state."""
        return {}

    def load_state_dict(self, state: State) -> None:
        """Take the empty state."""


@dataclass
class Ramp:
    """The penalty alpha * fit + beta_t * equivariance, beta_t linear in t up to `steps`, then flat.

    While beta_t is zero the equivariance term need not be computed.

    Args:
        beta: Weight of the equivariance term from step `steps` + 1 on.
        steps: How many steps lead there.
        alpha: Weight of the fit.
        start: Weight of the equivariance term at the first step; it may exceed `beta`.

    Raises:
        ValueError: For weights that are negative or not finite, two zeros at either end, and
            `steps` below 1 or not finite.

    Example:
        >>> ramp = Ramp(beta=10.0, steps=2)
        >>> terms = {"fit": torch.tensor(3.0), "equivariance": torch.tensor(4.0)}
        >>> [ramp(terms).item() for _ in range(4)]
        [3.0, 23.0, 43.0, 43.0]
    """

    beta: float
    steps: int
    alpha: float = 1.0
    start: float = 0.0
    step: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        _check_weights(self.alpha, self.beta)
        _check_weights(self.alpha, self.start)
        if not (isfinite(self.steps) and self.steps >= 1):
            raise ValueError(f"steps needs to be finite, at least 1, got {self.steps}")

    @property
    def weights(self) -> Weights:
        """alpha and the beta of the next step."""
        done = min(self.step / self.steps, 1.0)
        return {FIT: self.alpha, EQUIVARIANCE: (1 - done) * self.start + done * self.beta}

    @property
    def active(self) -> Weights:
        """The weights of the next step that are not zero."""
        return _drop_zeros(self.weights)

    def __call__(self, terms: Terms) -> Tensor:
        """Return the weighted sum of the terms; then go one step up the ramp."""
        total = weigh(terms, self.active)
        self.step += 1
        return total

    def state_dict(self) -> State:
        """Return the number of steps taken."""
        return {"step": self.step}

    def load_state_dict(self, state: State) -> None:
        """Continue where `state_dict` was taken."""
        self.step = state["step"]


@dataclass(frozen=True)
class Hinge:
    """The penalty alpha * fit + beta * max(equivariance - level, 0): symmetric enough is enough.

    Args:
        level: What the equivariance term may be for nothing, in its units. Choose
            `consistency_terms`: the label-anchored term cannot fall below the fit.
        beta: Weight of what exceeds it.
        alpha: Weight of the fit.

    Raises:
        ValueError: For a level that is negative or not finite, and as `Constant`.

    Example:
        >>> terms = {"fit": torch.tensor(3.0), "equivariance": torch.tensor(4.0)}
        >>> Hinge(level=1.0, beta=10.0)(terms), Hinge(level=5.0, beta=10.0)(terms)
        (tensor(33.), tensor(3.))
    """

    level: float
    beta: float = 1.0
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check_weights(self.alpha, self.beta)
        if not (isfinite(self.level) and self.level >= 0):
            raise ValueError(f"level needs to be finite and not negative, got {self.level}")

    @property
    def weights(self) -> Weights:
        """alpha, and the beta of what exceeds the level."""
        return {FIT: self.alpha, EQUIVARIANCE: self.beta}

    @property
    def active(self) -> Weights:
        """The weights that are not zero, by the name of their term."""
        return _drop_zeros(self.weights)

    def __call__(self, terms: Terms) -> Tensor:
        """Return the weighted sum of the fit and the excess of the equivariance term."""
        excess = {name: relu(terms[name] - self.level) for name in terms if name == EQUIVARIANCE}
        return weigh({**terms, **excess}, self.active)

    def state_dict(self) -> State:
        """Return nothing: a fixed level has no state."""
        return {}

    def load_state_dict(self, state: State) -> None:
        """Take the empty state."""


def weigh(terms: Terms, weights: Weights) -> Tensor:
    """Return the sum of the terms that have a weight, each times its weight."""
    check_terms(terms, weights)
    parts = [weight * terms[name] for name, weight in weights.items()]
    return sum(parts[1:], start=parts[0])


def check_terms(terms: Terms, wanted: Iterable[str]) -> None:
    """Raise `ValueError` for a term that is wanted and missing."""
    for name in wanted:
        if name not in terms:
            raise ValueError(f"no term {name!r}; there are {', '.join(terms)}")


def _drop_zeros(weights: Weights) -> Weights:
    return {name: weight for name, weight in weights.items() if weight}


def _check_weights(alpha: float, beta: float) -> None:
    weights = (alpha, beta)
    if not all(isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
        raise ValueError(
            "alpha and beta need to be finite, not negative and not both zero, "
            f"got alpha={alpha}, beta={beta}"
        )
