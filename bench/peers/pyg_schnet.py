"""SchNet of torch_geometric: invariant, one energy per sample, over all pairs."""

import torch
from torch import Tensor, nn

from bench.peers._adapters import edges, sample
from remul.fields import Fields

PACKAGE = "torch-geometric"
JOB = "energy"
OURS = {"name": "painn", "kwargs": {"layers": 3}}
DIFFERS = "another kind: theirs has scalars alone"
SMALLER = "theirs"


def build(neighbours: int | None, channels: int = 128, layers: int = 4) -> nn.Module:
    """`torch_geometric.nn.SchNet` as an energy model; no forces are taken."""
    return Peer(neighbours, channels, layers)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int) -> None:
        from torch_geometric.nn import SchNet

        super().__init__()
        self.neighbours = neighbours
        self.net = SchNet(channels, channels, layers, interaction_graph=self.graph)

    def graph(self, x: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        receiver, sender = edges(x.unflatten(0, (int(of[-1]) + 1, -1)), self.neighbours)
        return torch.stack([sender, receiver]), (x[sender] - x[receiver]).norm(dim=1)

    def forward(self, inputs: Fields) -> Fields:
        batch, n, _ = inputs["position"].shape
        kind = (inputs["charge"] > 0).long().flatten()
        of = sample(batch, n, kind.device)
        return {"energy": self.net(kind, inputs["position"].flatten(0, 1), of)}
