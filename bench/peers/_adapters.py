"""What adapters share: a cloud as a flat graph, invariant features of charged, moving bodies."""

from functools import cache

import torch
from torch import Tensor, nn

from models.layers.search import find_nearest
from remul.fields import Fields


@cache
def _complete(batch: int, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    receiver, sender = (~torch.eye(n, dtype=torch.bool, device=device)).nonzero().T
    start = n * torch.arange(batch, device=device)[:, None]
    return (start + receiver).flatten(), (start + sender).flatten()


@cache
def sample(batch: int, n: int, device: torch.device) -> Tensor:
    """The sample that each of batch * n objects belongs to."""
    return torch.arange(batch, device=device).repeat_interleave(n)


def edges(x: Tensor, neighbours: int | None) -> tuple[Tensor, Tensor]:
    """Receiver and sender of each edge among batch * n objects at x, (batch, n, 3).

    All pairs are made once for a size, nearest neighbours anew in each call.
    """
    batch, n, _ = x.shape
    if neighbours is None or neighbours >= n - 1:
        return _complete(batch, n, x.device)
    index, sends = find_nearest(x, x.new_ones(batch, n) > 0, neighbours)  # (batch, n, k)
    start = n * torch.arange(batch, device=x.device)[:, None, None]
    receiver = start + torch.arange(n, device=x.device)[:, None]
    return receiver.expand_as(index)[sends], (start + index)[sends]


class Body(nn.Module):
    """Charge and speed, embedded: (batch, n, channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embed = nn.Linear(2, channels)

    def forward(self, inputs: Fields) -> Tensor:
        """Features of each object."""
        speed = inputs["velocity"].norm(dim=-1, keepdim=True)
        return self.embed(torch.cat([inputs["charge"], speed], -1))
