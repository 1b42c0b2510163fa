"""Invariant features of charged, moving bodies, for peers that take one vector per object."""

import torch
from torch import Tensor, nn

from remul.fields import Fields


class Body(nn.Module):
    """Charge and speed, embedded: (batch, n, channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embed = nn.Linear(2, channels)

    def forward(self, inputs: Fields) -> Tensor:
        """Features of each object."""
        speed = inputs["velocity"].norm(dim=-1, keepdim=True)
        return self.embed(torch.cat([inputs["charge"], speed], -1))
