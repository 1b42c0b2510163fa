"""L-GATr-slim of lgatr: Lorentz vectors and scalars instead of multivectors, four blocks."""

import torch
from torch import nn
from torch.nn.functional import pad

from remul.fields import Fields

PACKAGE = "lgatr"
JOB = "vectors"
OURS = {"name": "gatr", "kwargs": {"layers": 4}}
DIFFERS = "theirs has scalars and vectors, no multivectors"
SMALLER = "theirs"


def build(neighbours: int | None, layers: int = 4) -> nn.Module:
    """`lgatr.LGATrSlim` with 32 vectors and 96 scalars; all objects attend to all."""
    return Peer(layers)


class Peer(nn.Module):
    def __init__(self, layers: int) -> None:
        from lgatr import LGATrSlim

        super().__init__()
        self.net = LGATrSlim(
            num_blocks=layers,
            in_v_channels=2,
            out_v_channels=1,
            hidden_v_channels=32,
            in_s_channels=1,
            out_s_channels=1,
            hidden_s_channels=96,
            num_heads=8,
        )

    def forward(self, inputs: Fields) -> Fields:
        vectors = torch.stack([inputs["position"], inputs["velocity"]], 2)  # (batch, n, 2, 3)
        out, _ = self.net(pad(vectors, (1, 0)), inputs["charge"])
        return {"force": out[..., 0, 1:]}
