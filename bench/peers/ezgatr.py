"""GATr of ezgatr: multivectors alone, four blocks; all objects attend to all."""

import torch
from torch import nn

from remul.fields import Fields

PACKAGE = "ezgatr"
JOB = "vectors"
OURS = {"name": "gatr", "kwargs": {"layers": 4}}
DIFFERS = "theirs has no scalars beside the multivectors"
SMALLER = "theirs"


def build(neighbours: int | None, channels: int = 32, layers: int = 4) -> nn.Module:
    """`MVOnlyGATrModel` of 32 multivectors and 4 heads, attention by products and distances."""
    return Peer(channels, layers)


class Peer(nn.Module):
    def __init__(self, channels: int, layers: int) -> None:
        from ezgatr.interfaces import point, scalar, translation
        from ezgatr.nets.mv_only_gatr import MVOnlyGATrConfig, MVOnlyGATrModel

        super().__init__()
        self.point, self.make = point, (point.encode, translation.encode, scalar.encode)
        self.net = MVOnlyGATrModel(
            MVOnlyGATrConfig(
                num_layers=layers,
                size_channels_in=3,
                size_channels_out=1,
                size_channels_hidden=channels,
                size_channels_intermediate=channels,
                attn_is_causal=False,
            )
        )

    def forward(self, inputs: Fields) -> Fields:
        fields = [inputs[name] for name in ("position", "velocity", "charge")]
        parts = [make(field) for make, field in zip(self.make, fields, strict=True)]
        out = self.net(torch.stack(parts, 2))  # (batch, n, 1, 16)
        return {"force": self.point.decode(out.squeeze(2)) - inputs["position"]}
