"""PaiNN of schnetpack: 128 features, three interactions, over all pairs."""

from typing import TypeVar

from torch import nn
from torch.utils.data import dataloader

from bench.peers._adapters import Body, edges
from remul.fields import Fields

PACKAGE = "schnetpack"
JOB = "vectors"
OURS = {"name": "painn", "kwargs": {"layers": 3}}
DIFFERS = "ours has 4 radial functions, theirs 20"
SMALLER = "ours"


def build(neighbours: int | None, channels: int = 128, layers: int = 3) -> nn.Module:
    """`schnetpack.representation.PaiNN` with 20 Gaussians up to 5 and a linear vector readout.

    schnetpack 2.1 imports a type variable that torch has dropped; it is put back here.
    """
    if not hasattr(dataloader, "T_co"):
        dataloader.T_co = TypeVar("T_co", covariant=True)
    return Peer(neighbours, channels, layers)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int) -> None:
        from schnetpack.nn import CosineCutoff, GaussianRBF
        from schnetpack.representation import PaiNN

        super().__init__()
        self.neighbours = neighbours
        self.body = Body(channels)
        self.net = PaiNN(channels, layers, GaussianRBF(20, 5.0), CosineCutoff(50.0))
        self.net.embedding = nn.Identity()
        self.readout = nn.Linear(channels, 1, bias=False)

    def forward(self, inputs: Fields) -> Fields:
        receiver, sender = edges(inputs["position"], self.neighbours)
        x = inputs["position"].flatten(0, 1)
        found = self.net(
            {
                "_atomic_numbers": self.body(inputs).flatten(0, 1),
                "_Rij": x[sender] - x[receiver],
                "_idx_i": receiver,
                "_idx_j": sender,
            }
        )
        force = self.readout(found["vector_representation"]).squeeze(-1)  # (objects, 3)
        return {"force": force.view_as(inputs["position"])}
