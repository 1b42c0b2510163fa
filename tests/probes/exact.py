"""Probe of the measures: exactly equivariant, so every error is zero."""

from carry import carry
from torch import nn

from models.layers.fields import centroid, check_points, unpack
from remul.fields import Fields, Signature

EQUIVARIANT = True
TRIVIAL = True


def build(signature: Signature) -> "Exact":
    """f(x) = x: every output is the input of its name and type, or made of irreps of its kind.

    Nothing is learned. Takes any irreps; fields are (batch, n, dim). Raises `ValueError` for a
    point among the outputs without one among the inputs.
    """
    return Exact(signature)


class Exact(nn.Module):
    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.signature = signature
        check_points(signature, "exact")

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        x = carry(inputs, self.signature, centre)
        return unpack(inputs, x, self.signature.outputs, centre)
