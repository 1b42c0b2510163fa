"""L-GATr of lgatr: 16 multivectors and 64 scalars, four blocks; its algebra is space-time's."""

import torch
from torch import nn
from torch.nn.functional import pad

from remul.fields import Fields

PACKAGE = "lgatr"
JOB = "vectors"
OURS = {"name": "gatr", "kwargs": {"layers": 4}}


def build(neighbours: int | None, layers: int = 4) -> nn.Module:
    """`lgatr.LGATr` as its README sets it up; all objects attend to all."""
    return Peer(layers)


class Peer(nn.Module):
    def __init__(self, layers: int) -> None:
        from lgatr import LGATr

        super().__init__()
        self.net = LGATr(
            num_blocks=layers,
            in_mv_channels=2,
            out_mv_channels=1,
            hidden_mv_channels=16,
            in_s_channels=1,
            out_s_channels=1,
            hidden_s_channels=64,
            attention={"num_heads": 8},
            mlp={"mlp_ratio": 2},
        )

    def forward(self, inputs: Fields) -> Fields:
        vectors = torch.stack([inputs["position"], inputs["velocity"]], 2)  # (batch, n, 2, 3)
        out, _ = self.net(pad(vectors, (2, 11)), scalars=inputs["charge"])
        return {"force": out[..., 0, 2:5]}
