"""Train unconstrained networks to be nearly equivariant, and measure how near they are."""

from remul.actions import Element, Elements, Permutation, act, wigner
from remul.adaptive_penalties import Dual, GradNorm
from remul.error_profiles import PoseShift, error_by_axis, pose_shift
from remul.fields import POINT, SCALAR, VECTOR, Batch, Fields, Rep, Signature, Types
from remul.groups import E3, O3, SE3, SO3, FiniteGroup, Group, about_axis, rotations_by_angle
from remul.lie import (
    Stages,
    lie_derivative,
    lie_derivative_error,
    lie_error_by_field,
    lie_error_by_layer,
)
from remul.losses import (
    Distance,
    Model,
    Terms,
    consistency_loss,
    consistency_terms,
    equivariance_loss,
    field_distance,
    loss_terms,
)
from remul.metrics import (
    Interval,
    equivariance_error,
    error_over_floor,
    expected_error,
    interval,
    mean_error,
)
from remul.penalties import Constant, Penalty, Ramp
from remul.spectrum import error_spectrum
from remul.symmetrisation import canonicalise, frame_average, group_average
from remul.version import VERSION

__version__ = VERSION

__all__ = [
    "E3",
    "O3",
    "POINT",
    "SCALAR",
    "SE3",
    "SO3",
    "VECTOR",
    "Batch",
    "Constant",
    "Distance",
    "Dual",
    "Element",
    "Elements",
    "Fields",
    "FiniteGroup",
    "GradNorm",
    "Group",
    "Interval",
    "Model",
    "Penalty",
    "Permutation",
    "PoseShift",
    "Ramp",
    "Rep",
    "Signature",
    "Stages",
    "Terms",
    "Types",
    "about_axis",
    "act",
    "canonicalise",
    "consistency_loss",
    "consistency_terms",
    "equivariance_error",
    "equivariance_loss",
    "error_by_axis",
    "error_over_floor",
    "error_spectrum",
    "expected_error",
    "field_distance",
    "frame_average",
    "group_average",
    "interval",
    "lie_derivative",
    "lie_derivative_error",
    "lie_error_by_field",
    "lie_error_by_layer",
    "loss_terms",
    "mean_error",
    "pose_shift",
    "rotations_by_angle",
    "wigner",
]
