"""ViSNet of torch_geometric: vectors and scalars, one energy per sample, over all pairs."""

import torch
from torch import Tensor, nn

from bench.peers._adapters import edges, sample
from remul.fields import Fields

PACKAGE = "torch-geometric"
JOB = "energy"
OURS = {"name": "painn", "kwargs": {"layers": 3}}
DIFFERS = "another kind: theirs has attention, and vectors that meet pairwise"


def build(neighbours: int | None, channels: int = 64, layers: int = 4) -> nn.Module:
    """`torch_geometric.nn.models.ViSNet` as an energy model; no forces are taken."""
    return Peer(neighbours, channels, layers)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int) -> None:
        from torch_geometric.nn.models import ViSNet

        super().__init__()
        self.net = ViSNet(num_layers=layers, hidden_channels=channels, cutoff=50.0)
        self.net.representation_model.distance = Graph(neighbours)

    def forward(self, inputs: Fields) -> Fields:
        batch, n, _ = inputs["position"].shape
        kind = (inputs["charge"] > 0).long().flatten()
        of = sample(batch, n, kind.device)
        energy, _ = self.net(kind, inputs["position"].flatten(0, 1), of)
        return {"energy": energy}


class Graph(nn.Module):
    """Edges, their lengths and vectors, as ViSNet's own search by distance gives them."""

    def __init__(self, neighbours: int | None) -> None:
        super().__init__()
        self.neighbours = neighbours

    def forward(self, x: Tensor, of: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        receiver, sender = edges(x.unflatten(0, (int(of[-1]) + 1, -1)), self.neighbours)
        apart = x[sender] - x[receiver]
        return torch.stack([sender, receiver]), apart.norm(dim=1), apart
