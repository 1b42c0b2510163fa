"""Probe of the measures: an exact map plus a constant, whose errors are those of the constant."""

from carry import carry
from torch import nn

from models.layers.fields import centroid, check_points, unpack
from remul.fields import Fields, Signature


def build(signature: Signature, size: float = 1.0) -> "Offset":
    """f(x) = x + c, with `size` in every component of c; x goes through as in `exact`.

    f(g x) - g f(x) = c - g c. With |c|^2 = 3 n size^2 over n vectors: the expected error over SO(3)
    is 4/3 |c|, about an axis 4/pi |c'| with c' the part of c across it, at an angle t pi/2 sin(t/2)
    |c|; its area is |c|. The mean error tends to |c|. The Lie derivative error is l (l + 1) size^2
    and the energy |c|^2 is in degree l, for each irrep of degree l. Takes any irreps; fields are
    (batch, n, dim).
    """
    return Offset(signature, size)


class Offset(nn.Module):
    def __init__(self, signature: Signature, size: float) -> None:
        super().__init__()
        self.signature, self.size = signature, size
        check_points(signature, "offset")

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        x = carry(inputs, self.signature, centre)
        return unpack(inputs, x + self.size, self.signature.outputs, centre)
