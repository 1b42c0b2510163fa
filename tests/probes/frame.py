"""Probe of the measures: a broken frame, the output turned by a fixed rotation about y."""

from math import radians

import torch
from carry import carry
from torch import nn

from models.layers.fields import centroid, check_points, unpack
from remul.actions import act
from remul.elements import Element
from remul.fields import Fields, Rep, Signature
from remul.rotations import rotation_about


def build(signature: Signature, angle_deg: float = 90.0) -> "Frame":
    """f(x) = Q x, with Q the rotation by `angle_deg` = a about y; x goes as in `exact`.

    For vectors g^-1 f(g x) turns x by a about a uniform axis: the energy is |x|^2 times
    (1 + 2 cos a)^2 / 9 in degree 0, 2/3 sin^2 a in degree 1 and 2/9 (1 - cos a)^2 in degree 2;
    the Lie derivative error is 4 sin^2(a/2) (|x|^2 + x_y^2) / 3 in the mean over vectors. For x
    along y the other errors are those of `epsilon` with e = 2 sin(a/2) |x|. Takes any
    irreps; fields are (batch, n, dim).
    """
    return Frame(signature, angle_deg)


class Frame(nn.Module):
    def __init__(self, signature: Signature, angle_deg: float) -> None:
        super().__init__()
        self.signature, self.angle = signature, radians(angle_deg)
        check_points(signature, "frame")
        self.types = {n: Rep(rep.irreps) for n, rep in signature.outputs.items()}

    def forward(self, inputs: Fields) -> Fields:
        centre = centroid(inputs, self.signature.inputs)
        x = carry(inputs, self.signature, centre)
        parts = x.split([rep.dim for rep in self.types.values()], -1)
        turned = act(self.turn(x.device), dict(zip(self.types, parts, strict=True)), self.types)
        return unpack(inputs, torch.cat(list(turned.values()), -1), self.signature.outputs, centre)

    def turn(self, device: torch.device) -> Element:
        axis = torch.tensor([[0.0, 1, 0]], dtype=torch.float64, device=device)
        rotation = rotation_about(axis, axis.new_full((1,), self.angle))
        return Element(rotation, torch.zeros_like(axis))
