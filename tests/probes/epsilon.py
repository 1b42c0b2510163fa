"""Probe of the measures: the identity plus a small multiple of a map that prefers an axis."""

import torch
from carry import carry
from torch import Tensor, nn

from models.layers.fields import centroid, check_points, unpack
from remul.fields import Fields, Signature, Types


def build(signature: Signature, epsilon: float = 0.1) -> "Epsilon":
    """f(x) = x + epsilon A x, A keeping what y-rotations leave alone: y y^T x for a vector x.

    x goes through as in `exact`. For vectors, with n uniform on the sphere,
    g^-1 f(g x) = x + epsilon n (n . x): the energy is (1 + epsilon/3)^2 |x|^2 in degree 0 and
    2/9 epsilon^2 |x|^2 in degree 2; the Lie derivative error is epsilon^2 (|x|^2 + x_y^2) / 3 in
    the mean over vectors. For x along y, with e = epsilon |x|, the expected error is pi/4 e over
    SO(3) and 2/pi e, 0, 2/pi e about x, y, z; by angle it has the area 2/3 e. The mean error over
    M elements has the mean square 2/3 e^2 / M. Takes any irreps; fields are (batch, n, dim).
    """
    return Epsilon(signature, epsilon)


class Epsilon(nn.Module):
    def __init__(self, signature: Signature, epsilon: float) -> None:
        super().__init__()
        self.signature = signature
        check_points(signature, "epsilon")
        self.register_buffer("gain", 1 + epsilon * _axial(signature.outputs), persistent=False)

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        x = carry(inputs, self.signature, centre)
        return unpack(inputs, x * self.gain.to(x), self.signature.outputs, centre)


def _axial(types: Types) -> Tensor:
    """1 at the middle component of each irrep, which rotations about y leave alone, else 0."""
    middles = [
        torch.arange(2 * degree + 1).eq(degree).repeat(mul)
        for rep in types.values()
        for mul, degree, _ in rep.chunks
    ]
    return torch.cat(middles).double()
