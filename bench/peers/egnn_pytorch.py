"""EGNN of egnn-pytorch: four layers over all pairs, no velocities."""

from torch import nn

from bench.peers._adapters import Body
from remul.fields import Fields

PACKAGE = "egnn-pytorch"
JOB = "vectors"
OURS = {"name": "egnn", "kwargs": {"layers": 4}}


def build(neighbours: int | None, channels: int = 64, layers: int = 4) -> nn.Module:
    """`egnn_pytorch.EGNN` layers with messages of width 16, as it ships them."""
    return Peer(neighbours, channels, layers)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int) -> None:
        from egnn_pytorch import EGNN

        super().__init__()
        near = neighbours or 0
        self.body = Body(channels)
        self.layers = nn.ModuleList(
            EGNN(dim=channels, num_nearest_neighbors=near) for _ in range(layers)
        )

    def forward(self, inputs: Fields) -> Fields:
        h, x = self.body(inputs), inputs["position"]
        for layer in self.layers:
            h, x = layer(h, x)
        return {"force": x - inputs["position"]}
