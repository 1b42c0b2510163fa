"""TensorNet of torchmd-net: 3 x 3 tensors of each object, one energy per sample, two layers."""

import torch
from torch import Tensor, nn

from bench.peers._adapters import edges, sample
from remul.fields import Fields

PACKAGE = "torchmd-net"
JOB = "energy"
OURS = {"name": "painn", "kwargs": {"layers": 2}}
DIFFERS = "another kind: theirs has tensors of rank two, ours scalars and vectors"
SMALLER = "ours"


def build(neighbours: int | None, channels: int = 64, layers: int = 2) -> nn.Module:
    """`torchmdnet.models.tensornet.TensorNet` with its kernels in Warp, and a linear readout."""
    return Peer(neighbours, channels, layers)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int) -> None:
        from torchmdnet.models.tensornet import TensorNet

        super().__init__()
        self.net = TensorNet(channels, layers, cutoff_upper=50.0, max_z=2, static_shapes=False)
        self.net.distance = Graph(neighbours)
        self.readout = nn.Linear(channels, 1)

    def forward(self, inputs: Fields) -> Fields:
        batch, n, _ = inputs["position"].shape
        kind = (inputs["charge"] > 0).long().flatten()
        of = sample(batch, n, kind.device)
        features, *_ = self.net(kind, inputs["position"].flatten(0, 1), of)
        return {"energy": self.readout(features).view(batch, n).sum(1, keepdim=True)}


class Graph(nn.Module):
    """Edges, their lengths and vectors, as TensorNet's own search by distance gives them."""

    def __init__(self, neighbours: int | None) -> None:
        super().__init__()
        self.neighbours = neighbours

    def forward(self, x: Tensor, of: Tensor, box: None) -> tuple[Tensor, Tensor, Tensor]:
        receiver, sender = edges(x.unflatten(0, (int(of[-1]) + 1, -1)), self.neighbours)
        apart = x[receiver] - x[sender]
        return torch.stack([receiver, sender]), apart.norm(dim=1), apart
