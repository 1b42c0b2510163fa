"""SE(3)-Transformer of se3-transformer-pytorch: degrees up to 1, attention over all pairs."""

import torch
from torch import nn

from bench.peers._adapters import Body
from remul.fields import Fields

PACKAGE = "se3-transformer-pytorch"
JOB = "vectors"
OURS = {"name": "se3_transformer", "kwargs": {"layers": 2, "degree": 1}}
DIFFERS = "ours shares a kernel over the paths between two degrees"
SMALLER = "ours"


def build(neighbours: int | None, channels: int = 16, layers: int = 2) -> nn.Module:
    """`SE3Transformer` with two degrees, two heads and vector outputs."""
    return Peer(neighbours, channels, layers)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int) -> None:
        from se3_transformer_pytorch import SE3Transformer

        super().__init__()
        self.body = Body(channels)
        self.net = SE3Transformer(
            dim=channels,
            heads=2,
            dim_head=channels // 2,
            depth=layers,
            num_degrees=2,
            output_degrees=2,
            reduce_dim_out=True,
            differentiable_coors=True,
            num_neighbors=neighbours or float("inf"),
        )

    def forward(self, inputs: Fields) -> Fields:
        h, x = self.body(inputs), inputs["position"]
        real = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        return {"force": self.net(h, x, real, return_type=1).view(x.shape)}
