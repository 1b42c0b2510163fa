"""Who hears whom: every pair of objects, or the nearest neighbours of each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models._fields import pairs
from remul.fields import MASK, Fields, Types


@dataclass(frozen=True)
class Pairs:
    """For each object i the k objects j that it hears; all n of them, itself included, or a few.

    `apart` is x_i - x_j, (batch, n, k, 3); `share` the weight of j in a mean over the real others
    of i, (batch or 1, n, k, 1); `features` the fields of pairs, (batch, n, k, width) or None;
    `index` says which j, (batch, n, k), and is None where that is all in their order.
    """

    apart: Tensor
    share: Tensor
    features: Tensor | None
    index: Tensor | None

    def sent(self, h: Tensor) -> Tensor:
        """What j holds, for each i: (batch, n, c) to (batch, n or 1, k, c)."""
        return h[:, None] if self.index is None else _taken(h, self.index)


def heard(inputs: Fields, types: Types, x: Tensor, neighbours: int | None = None) -> Pairs:
    """The pairs of all objects at x, (batch, n, 3), or of each with its nearest `neighbours`."""
    share, features = pair_share(inputs, x), pairs(inputs, types)
    if neighbours is None or neighbours >= x.shape[1] - 1:
        return Pairs(x[:, :, None] - x[:, None], share, features, None)
    index = _nearest(x, share, neighbours)
    if features is not None:
        features = features.gather(2, index[..., None].expand(-1, -1, -1, features.shape[-1]))
    there = share.squeeze(-1).expand(len(x), -1, -1).gather(2, index).unsqueeze(-1) > 0
    few = there.to(x) / there.sum(2, keepdim=True).clamp_min(1)
    return Pairs(x[:, :, None] - _taken(x, index), few, features, index)


def pair_share(inputs: Fields, like: Tensor) -> Tensor:
    """Weight of object j in a mean over the real others of i, (batch or 1, n, n, 1)."""
    n = like.shape[1]
    others = (1 - torch.eye(n, dtype=like.dtype, device=like.device)).view(1, n, n, 1)
    if MASK in inputs:
        others = others * inputs[MASK].to(like)[:, None]
    return others / others.sum(2, keepdim=True).clamp_min(1)


def _nearest(x: Tensor, share: Tensor, neighbours: int) -> Tensor:
    with torch.no_grad():
        apart = torch.cdist(x, x).masked_fill(share.squeeze(-1) == 0, torch.inf)
        return apart.topk(neighbours, largest=False).indices  # (batch, n, k)


def _taken(h: Tensor, index: Tensor) -> Tensor:
    """Rows of h, (batch, n, c), by an index (batch, n, k): (batch, n, k, c)."""
    sample = torch.arange(len(h), device=h.device)[:, None, None]
    return h[sample, index]
