"""Gate-points message passing of e3nn (v2106), l = 1, over all pairs."""

import torch
from e3nn import o3
from e3nn.math import soft_one_hot_linspace
from torch import nn

from bench.peers._adapters import edges
from remul.fields import Fields

PACKAGE = "e3nn"
JOB = "vectors"
OURS = {"name": "nequip", "kwargs": {"layers": 3, "degree": 1}}
RADII = 10


def build(
    neighbours: int | None, channels: int = 48, layers: int = 3, degree: int = 1
) -> nn.Module:
    """`e3nn.nn.models.v2106` message passing with hidden irreps of both parities."""
    return Peer(neighbours, channels, layers, degree)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int, degree: int) -> None:
        from e3nn.nn.models.v2106.gate_points_message_passing import MessagePassing

        super().__init__()
        self.neighbours = neighbours
        hidden = "+".join(f"{channels}x{d}{p}" for d in range(degree + 1) for p in "eo")
        self.harmonics = o3.Irreps.spherical_harmonics(degree)
        self.net = MessagePassing(
            irreps_node_sequence=["0e+1o", *[hidden] * layers, "1o"],
            irreps_node_attr="0e",
            irreps_edge_attr=self.harmonics,
            fc_neurons=[RADII, 64],
            num_neighbors=16.0,
        )

    def forward(self, inputs: Fields) -> Fields:
        receiver, sender = edges(inputs["position"], self.neighbours)
        x = inputs["position"].flatten(0, 1)
        apart = x[sender] - x[receiver]
        angular = o3.spherical_harmonics(self.harmonics, apart, True, normalization="component")
        radial = soft_one_hot_linspace(
            apart.norm(dim=1), 0.0, 5.0, RADII, basis="gaussian", cutoff=False
        )
        features = torch.cat([inputs["charge"], inputs["velocity"]], -1).flatten(0, 1)
        ones = torch.ones_like(x[:, :1])
        out = self.net(features, ones, sender, receiver, angular, radial * RADII**0.5)
        return {"force": out.view_as(inputs["position"])}
