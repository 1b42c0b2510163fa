"""Constraints on a network's own numbers, such as the weights of a free path, by dual ascent."""

from dataclasses import dataclass, field
from math import isfinite

import torch
from torch import Tensor

from remul.losses import EQUIVARIANCE, FIT, Terms
from remul.penalties import State, Weights, weigh


@dataclass
class Multipliers:
    """The fit subject to c_i = 0 for each other term, or to |c_i| <= slack, by dual ascent.

    The constraints are differentiable numbers of the network, not losses: in ACE (Manolache et al.
    2025) the weight gamma_i of a free path beside the exact one of layer i. The loss is fit + sum_i
    lambda_i c_i, and each lambda_i grows by `lr` * c_i after a step: an oscillator, which `damping`
    * c_i^2 / 2 calms. With `slack` |c_i| takes the place of c_i, lambda_i grows by `lr` * (|c_i| -
    slack) and never falls below 0: what is free within the slack stays so. A step whose loss is not
    finite leaves them as they are.

    Args:
        lr: Step size of the multipliers.
        slack: Bound of each constraint's size, in its units; 0 asks for equality.
        damping: Weight of half the squared constraints beside the multipliers.

    Raises:
        ValueError: Unless `lr` is finite and positive, and the others finite and not negative; at a
            call with the term "equivariance", a loss that cannot vanish, or without "fit".

    Example:
        >>> multipliers = Multipliers(lr=0.5)
        >>> terms = {"fit": torch.tensor(3.0), "gamma_1": torch.tensor(2.0)}
        >>> [multipliers(terms).item() for _ in range(3)]
        [3.0, 5.0, 7.0]
    """

    lr: float = 1e-3
    slack: float = 0.0
    damping: float = 0.0
    values: dict[str, Tensor] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        others = (self.slack, self.damping)
        if not (isfinite(self.lr) and self.lr > 0 and all(isfinite(x) and x >= 0 for x in others)):
            raise ValueError(
                "lr needs to be positive, slack and damping finite and not negative, got "
                f"lr={self.lr}, slack={self.slack}, damping={self.damping}"
            )

    @property
    def weights(self) -> Weights:
        """1 for the fit, which alone has a fixed weight, and the multipliers by name."""
        return {FIT: 1.0, **self.values}

    @property
    def active(self) -> Weights:
        """The same: a multiplier of zero may grow."""
        return self.weights

    def __call__(self, terms: Terms) -> Tensor:
        """Return the Lagrangian of the terms; then take one step of the multipliers."""
        if EQUIVARIANCE in terms:
            raise ValueError(
                f"the term {EQUIVARIANCE!r} is a loss, no constraint of Multipliers; leave it out, "
                "or choose Dual(level), which bounds it"
            )
        constraints = {name: c for name, c in terms.items() if name != FIT}
        if self.slack:
            constraints = {name: c.abs() for name, c in constraints.items()}
        held = {name: self._hold(name, c.detach()) for name, c in constraints.items()}
        total = weigh({**terms, **constraints}, {FIT: 1.0, **self.values, **held})
        if self.damping and constraints:
            squares = torch.stack([c.square() for c in constraints.values()])
            total = total + self.damping / 2 * squares.sum()
        finite = total.detach().isfinite()
        for name, c in constraints.items():
            moved = self._ascend(held[name], c.detach())
            self.values[name] = torch.where(finite, moved, held[name])
        return total

    def _hold(self, name: str, constraint: Tensor) -> Tensor:
        """Return the multiplier of a constraint, in its precision and on its device."""
        return self.values.get(name, constraint.new_zeros(())).to(constraint)

    def _ascend(self, value: Tensor, constraint: Tensor) -> Tensor:
        value = value + self.lr * (constraint - self.slack)
        return value.clamp_min(0) if self.slack else value

    def state_dict(self) -> State:
        """Return the multipliers by name."""
        return {name: float(value) for name, value in self.values.items()}

    def load_state_dict(self, state: State) -> None:
        """Continue where `state_dict` was taken."""
        self.values = {n: torch.tensor(x, dtype=torch.float64) for n, x in state.items()}
