"""GotenNet of gotennet: attention on graphs with features up to l = 2, four layers."""

import sys
from types import SimpleNamespace

import torch
from torch import nn

from bench.peers._adapters import edges
from remul.fields import Fields

PACKAGE = "gotennet"
JOB = "vectors"
OURS = {"name": "se3_transformer", "kwargs": {"layers": 4, "degree": 2}}
DIFFERS = "another kind: theirs has inner products, ours tensor products; theirs sees no velocities"


def build(
    neighbours: int | None, channels: int = 64, layers: int = 4, degree: int = 2
) -> nn.Module:
    """`GotenNet` with 32 radial functions and a linear readout of its vectors.

    Edges are given, so the torch_cluster that it imports to search for them may be missing.
    """
    import torch_geometric  # noqa: F401 - it looks for torch_cluster too, and may see it is missing

    sys.modules.setdefault("torch_cluster", SimpleNamespace(radius_graph=None))
    return Peer(neighbours, channels, layers, degree)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int, degree: int) -> None:
        from gotennet.models.components.layers import CosineCutoff
        from gotennet.models.representation.gotennet import GotenNet

        super().__init__()
        self.neighbours = neighbours
        self.net = GotenNet(
            n_atom_basis=channels,
            n_interactions=layers,
            cutoff_fn=CosineCutoff(50.0),
            max_z=3,
            lmax=degree,
        )
        self.readout = nn.Linear(channels, 1, bias=False)

    def forward(self, inputs: Fields) -> Fields:
        receiver, sender = edges(inputs["position"], self.neighbours)
        x = inputs["position"].flatten(0, 1)
        kind = (inputs["charge"] > 0).long().flatten() + 1
        apart = x[sender] - x[receiver]
        _, steerable = self.net(kind, torch.stack([sender, receiver]), apart.norm(dim=1), apart)
        force = self.readout(steerable[:, :3])  # (objects, 3, 1)
        return {"force": force.view_as(inputs["position"])}
