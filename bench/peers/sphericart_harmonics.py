"""Spherical harmonics of sphericart-torch, l = 3, of the vectors of all edges, against ours."""

from torch import Tensor, nn

from bench.peers._adapters import edges
from models.layers.tensor_product_backends import spherical_harmonics
from remul.fields import Fields

PACKAGE = "sphericart-torch"
JOB = "harmonics"
OURS = {"name": "spherical_harmonics"}
LMAX = 3


def build(neighbours: int | None) -> nn.Module:
    """`sphericart.torch.SphericalHarmonics`; training is the gradient in the vectors."""
    return Peer(neighbours)


def build_ours(neighbours: int | None) -> nn.Module:
    """The harmonics that our networks take of their edges."""
    return Ours(neighbours)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None) -> None:
        from sphericart.torch import SphericalHarmonics

        super().__init__()
        self.neighbours, self.harmonics = neighbours, SphericalHarmonics(LMAX)

    def forward(self, inputs: Fields) -> Fields:
        return {"harmonics": self.harmonics(find_vectors(inputs, self.neighbours))}


class Ours(nn.Module):
    def __init__(self, neighbours: int | None) -> None:
        super().__init__()
        self.neighbours = neighbours

    def forward(self, inputs: Fields) -> Fields:
        return {"harmonics": spherical_harmonics(find_vectors(inputs, self.neighbours), LMAX)}


def find_vectors(inputs: Fields, neighbours: int | None) -> Tensor:
    """Vectors of the edges, (edges, 3), of which a gradient is wanted."""
    receiver, sender = edges(inputs["position"], neighbours)
    x = inputs["position"].flatten(0, 1)
    return (x[sender] - x[receiver]).detach().requires_grad_()
