"""Penalties: how the loss terms add up to one number."""

from dataclasses import dataclass
from math import isfinite

from torch import Tensor

from remul.losses import EQUIVARIANCE, FIT, Terms


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
        weights = (self.alpha, self.beta)
        if not all(isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
            raise ValueError(
                "alpha and beta need to be finite, not negative and not both zero, "
                f"got alpha={self.alpha}, beta={self.beta}"
            )

    @property
    def active(self) -> dict[str, float]:
        """The weights that are not zero, by the name of their term."""
        weights = {FIT: self.alpha, EQUIVARIANCE: self.beta}
        return {name: weight for name, weight in weights.items() if weight}

    def __call__(self, terms: Terms) -> Tensor:
        """The weighted sum of the terms by name, each a scalar."""
        weighted = [weight * terms[name] for name, weight in self.active.items()]
        return sum(weighted[1:], start=weighted[0])
