"""Train unconstrained networks to be nearly equivariant, and measure how near they are."""

from remul.actions import Element, Permutation, act, wigner
from remul.fields import POINT, SCALAR, VECTOR, Batch, Fields, Rep, Signature, Types
from remul.groups import E3, O3, SE3, SO3, FiniteGroup, Group, about_axis, cone
from remul.losses import (
    Distance,
    Model,
    Terms,
    consistency_loss,
    equivariance_loss,
    field_distance,
    loss_terms,
)
from remul.metrics import equivariance_error, expected_error, mean_error
from remul.symmetry import canonicalise, frame_average, group_average
from remul.version import VERSION
from remul.weights import Constant

__version__ = VERSION

__all__ = [
    "E3", "O3", "POINT", "SCALAR", "SE3", "SO3", "VECTOR", "Batch", "Constant", "Distance",
    "Element", "Fields", "FiniteGroup", "Group", "Model", "Permutation", "Rep", "Signature",
    "Terms", "Types", "about_axis", "act", "canonicalise", "cone", "consistency_loss",
    "equivariance_error", "equivariance_loss", "expected_error", "field_distance",
    "frame_average", "group_average", "loss_terms", "mean_error", "wigner",
]  # fmt: skip
