"""Who hears whom: every pair of objects, or the nearest neighbours of each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.layers.fields import pack_pairs
from remul.fields import MASK, Fields, Types


@dataclass(frozen=True)
class Pairs:
    """For each object i the k objects j that it hears; all n of them, itself included, or a few.

    `apart` is x_i - x_j, (batch, n, k, 3); `share` the weight of j in a mean over the real others
    of i, (batch or 1, n, k, 1); `features` the fields of pairs, (batch, n, k, width) or None;
    `index` says which j, (batch, n, k), as rows of all objects of the batch side by side, and is
    None where j is all in their order.
    """

    apart: Tensor
    share: Tensor
    features: Tensor | None
    index: Tensor | None

    def total(self, weight: Tensor, values: Tensor) -> Tensor:
        """Weighted sum over j: (batch or 1, n, k, 1) and (batch, n, k, c) to (batch, n, c)."""
        return (weight.mT @ values).squeeze(2)

    def sent(self, h: Tensor) -> Tensor:
        """What j holds, for each i: (batch, n, c) to (batch, n or 1, k, c)."""
        return h[:, None] if self.index is None else _taken(h, self.index)


def heard(inputs: Fields, types: Types, x: Tensor, neighbours: int | None = None) -> Pairs:
    """The pairs of all objects at x, (batch, n, 3), or of each with its nearest `neighbours`."""
    if neighbours is None or neighbours >= x.shape[1] - 1:
        apart = x[:, :, None] - x[:, None]
        return Pairs(apart, pair_share(inputs, x), pack_pairs(inputs, types), None)
    return others(inputs, types, x, neighbours)


def others(inputs: Fields, types: Types, x: Tensor, neighbours: int | None = None) -> Pairs:
    """The same without the pairs of an object and itself, a fifth of the work at five objects.

    Raises `ValueError` for fewer neighbours than none.
    """
    if neighbours is not None and neighbours < 0:
        raise ValueError(f"neighbours have to be at least 0, got {neighbours}")
    batch, n = x.shape[:2]
    share, features = pair_share(inputs, x), pack_pairs(inputs, types)
    every = neighbours is None or neighbours >= n - 1
    index = _everyone_else(x) if every else _nearest(x, share, neighbours)
    if features is not None:
        features = features.gather(2, index[..., None].expand(-1, -1, -1, features.shape[-1]))
    there = share.squeeze(-1).expand(batch, -1, -1).gather(2, index).unsqueeze(-1) > 0
    share = there.to(x) / there.sum(2, keepdim=True).clamp_min(1)
    rows = index + n * torch.arange(batch, device=x.device)[:, None, None]
    return Pairs(x[:, :, None] - _taken(x, rows), share, features, rows)


def pair_share(inputs: Fields, like: Tensor) -> Tensor:
    """Weight of object j in a mean over the real others of i, (batch or 1, n, n, 1)."""
    n = like.shape[1]
    others = (1 - torch.eye(n, dtype=like.dtype, device=like.device)).view(1, n, n, 1)
    if MASK in inputs:
        others = others * inputs[MASK].to(like)[:, None]
    return others / others.sum(2, keepdim=True).clamp_min(1)


def _everyone_else(x: Tensor) -> Tensor:
    n = x.shape[1]
    first = torch.arange(n, device=x.device)
    index = (first[:, None] + first[1:]) % n
    return index.expand(len(x), -1, -1)  # (batch, n, n - 1)


def _nearest(x: Tensor, share: Tensor, neighbours: int) -> Tensor:
    x = x.detach()
    apart = torch.cdist(x, x).masked_fill(share.squeeze(-1) == 0, torch.inf)
    return apart.topk(neighbours, largest=False).indices  # (batch, n, k)


def _taken(h: Tensor, rows: Tensor) -> Tensor:
    """Rows of all objects in h, (batch, n, c): (batch, n, k, c)."""
    return h.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, rows.shape)
