"""Train unconstrained networks to be nearly equivariant, and measure how near they are."""

from remul.actions import Element, act, wigner
from remul.adaptive import Dual, GradNorm
from remul.fields import POINT, SCALAR, VECTOR, Batch, Fields, Rep, Signature, Types
from remul.groups import E3, O3, SE3, SO3, Group, about_axis, cone
from remul.losses import (
    Distance,
    Elements,
    Model,
    Terms,
    consistency_loss,
    consistency_terms,
    equivariance_loss,
    field_distance,
    loss_terms,
)
from remul.metrics import equivariance_error, expected_error, mean_error
from remul.version import VERSION
from remul.weights import Constant, Penalty, Ramp

__version__ = VERSION

__all__ = [
    "E3", "O3", "POINT", "SCALAR", "SE3", "SO3", "VECTOR", "Batch", "Constant", "Distance",
    "Dual", "Element", "Elements", "Fields", "GradNorm", "Group", "Model", "Penalty", "Ramp",
    "Rep", "Signature", "Terms", "Types", "about_axis", "act", "cone", "consistency_loss",
    "consistency_terms", "equivariance_error", "equivariance_loss", "expected_error",
    "field_distance", "loss_terms", "mean_error", "wigner",
]  # fmt: skip
