"""Equiformer of equiformer-pytorch: degrees up to 1, attention over all pairs, two layers."""

import torch
from torch import nn

from bench.peers._adapters import Body
from remul.fields import Fields

PACKAGE = "equiformer-pytorch"
JOB = "vectors"
OURS = {"name": "se3_transformer", "kwargs": {"layers": 2, "degree": 1}}
DIFFERS = "ours shares a kernel over the paths between two degrees; theirs sees speeds alone"
SMALLER = "ours"


def build(neighbours: int | None, channels: int = 16, layers: int = 2) -> nn.Module:
    """`Equiformer` with two degrees, two heads and attention by distances."""
    return Peer(neighbours, channels, layers)


class Peer(nn.Module):
    def __init__(self, neighbours: int | None, channels: int, layers: int) -> None:
        from equiformer_pytorch import Equiformer

        super().__init__()
        self.body = Body(channels)
        self.net = Equiformer(
            dim=(channels, channels),
            dim_in=channels,
            num_degrees=2,
            heads=2,
            dim_head=channels // 2,
            depth=layers,
            num_neighbors=neighbours or float("inf"),
            reduce_dim_out=True,
        )

    def forward(self, inputs: Fields) -> Fields:
        h, x = self.body(inputs), inputs["position"]
        real = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        return {"force": self.net(h, x, mask=real).type1.view(x.shape)}
