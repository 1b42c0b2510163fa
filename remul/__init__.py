"""Train unconstrained networks to be nearly equivariant, and measure how near they are.

The examples of its functions go on from these lines:

>>> import torch
>>> from remul import *
>>> generator = torch.Generator().manual_seed(0)
>>> inputs = {"x": torch.randn(5, 4, 3, generator=generator).double()}
>>> signature = Signature({"x": VECTOR}, {"x": VECTOR})
>>> batch = Batch(inputs, inputs)
>>> g = SO3.sample(inputs, generator)
>>> mse = torch.nn.functional.mse_loss
>>> exact = lambda fields: {"x": 2 * fields["x"]}  # an equivariant model
>>> offset = lambda fields: {"x": fields["x"] + torch.tensor([1.0, 0, 0])}  # one that is not
"""

from remul.actions import Elements, act, wigner
from remul.adapters import adapt
from remul.adaptive_penalties import Dual, GradNorm
from remul.batches import Batch
from remul.distances import Distance, field_distance
from remul.elements import Element, MatrixElement, Permutation
from remul.error_profiles import PoseShift, error_by_axis, pose_shift
from remul.fields import POINT, SCALAR, VECTOR, Fields, Model, Rep, Signature, Types
from remul.groups import E3, O3, SE3, SO3, FiniteGroup, Group, about_axis, rotations_by_angle
from remul.hessian import Curvature, curvature
from remul.hidden import hidden_features
from remul.latent import latent_terms, latent_transform, pooled_embedding
from remul.lie import (
    Stages,
    lie_derivative,
    lie_derivative_error,
    lie_error_by_field,
    lie_error_by_layer,
)
from remul.lie_losses import lie_terms, random_axes
from remul.losses import (
    Terms,
    consistency_loss,
    consistency_terms,
    equivariance_loss,
    loss_terms,
)
from remul.matrix_groups import MatrixGroup, PlanarGroup
from remul.metrics import (
    Interval,
    equivariance_error,
    error_over_floor,
    expected_error,
    interval,
    mean_error,
)
from remul.multipliers import Multipliers
from remul.nearest_poses import error_by_nearest_pose
from remul.penalties import Constant, Hinge, Penalty, Ramp
from remul.permutation_matrices import cyclic, dihedral, quarter_turns, shifts, symmetric
from remul.pose_differences import PoseDifferences, pose_differences
from remul.spectrum import error_spectrum, feature_spectrum
from remul.symmetric_matrices import irreps_to_matrix, matrix_to_irreps
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
    "Curvature",
    "Distance",
    "Dual",
    "Element",
    "Elements",
    "Fields",
    "FiniteGroup",
    "GradNorm",
    "Group",
    "Hinge",
    "Interval",
    "MatrixElement",
    "MatrixGroup",
    "Model",
    "Multipliers",
    "Penalty",
    "Permutation",
    "PlanarGroup",
    "PoseDifferences",
    "PoseShift",
    "Ramp",
    "Rep",
    "Signature",
    "Stages",
    "Terms",
    "Types",
    "about_axis",
    "act",
    "adapt",
    "canonicalise",
    "consistency_loss",
    "consistency_terms",
    "curvature",
    "cyclic",
    "dihedral",
    "equivariance_error",
    "equivariance_loss",
    "error_by_axis",
    "error_by_nearest_pose",
    "error_over_floor",
    "error_spectrum",
    "expected_error",
    "feature_spectrum",
    "field_distance",
    "frame_average",
    "group_average",
    "hidden_features",
    "interval",
    "irreps_to_matrix",
    "latent_terms",
    "latent_transform",
    "lie_derivative",
    "lie_derivative_error",
    "lie_error_by_field",
    "lie_error_by_layer",
    "lie_terms",
    "loss_terms",
    "matrix_to_irreps",
    "mean_error",
    "pooled_embedding",
    "pose_differences",
    "pose_shift",
    "quarter_turns",
    "random_axes",
    "rotations_by_angle",
    "shifts",
    "symmetric",
    "wigner",
]
