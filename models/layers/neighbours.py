"""Edges of the graph: from every object or its nearest neighbours, and sums over who sends."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.layers.fields import pack_pairs
from remul.fields import MASK, Fields, Types


@dataclass(frozen=True)
class Edges:
    """For each receiver i its k senders j: all n objects, itself included, or a few of them.

    `vectors` are x_i - x_j, (batch, n, k, 3); `mean_weights` those of j in a mean over the real
    senders other than i, (batch or 1, n, k, 1); `features` the fields of pairs, (batch, n, k, c),
    or None. `senders` are j, (batch, n, k), as rows of the objects of all samples one after the
    other, or None where j are all objects of the sample in their order.
    """

    vectors: Tensor
    mean_weights: Tensor
    features: Tensor | None
    senders: Tensor | None

    def lengths(self) -> Tensor:
        """Return |x_i - x_j|, (batch, n, k, 1), never zero, so that it has a derivative."""
        return (self.vectors.square().sum(-1, keepdim=True) + 1e-12).sqrt()

    def append_features(self, x: Tensor) -> Tensor:
        """Return values of edges, (batch, n, k, c), with the fields of pairs behind them."""
        return x if self.features is None else torch.cat([x, self.features], -1)

    def gather_senders(self, h: Tensor) -> Tensor:
        """Return what the senders of each i hold: (batch, n, c) to (batch, n or 1, k, c)."""
        return h[:, None] if self.senders is None else _gather_rows(h, self.senders)

    def aggregate(self, weights: Tensor, messages: Tensor) -> Tensor:
        """Return weighted sums over j: (batch or 1, n, k, 1), (batch, n, k, c) to (batch, n, c)."""
        return (weights.mT @ messages).squeeze(2)


def find_all_edges(inputs: Fields, types: Types, x: Tensor, neighbours: int | None = None) -> Edges:
    """Return the edges between all objects at x, (batch, n, 3), also from each one to itself.

    With fewer `neighbours` than there are others, the edges of `find_edges`.
    """
    if neighbours is None or neighbours >= x.shape[1] - 1:
        edge_vectors = x[:, :, None] - x[:, None]  # (batch, n, n, 3)
        weights = pair_mean_weights(inputs, x)
        return Edges(edge_vectors, weights, pack_pairs(inputs, types), None)
    return find_edges(inputs, types, x, neighbours)


def find_edges(inputs: Fields, types: Types, x: Tensor, neighbours: int | None = None) -> Edges:
    """Return the edges from all other objects, or from the nearest `neighbours`.

    They leave out those from an object to itself, a fifth of the work at five objects. Raises
    `ValueError` for fewer neighbours than none.
    """
    if neighbours is not None and neighbours < 0:
        raise ValueError(f"neighbours have to be at least 0, got {neighbours}")
    batch, n = x.shape[:2]
    weights, features = pair_mean_weights(inputs, x), pack_pairs(inputs, types)
    all_others = neighbours is None or neighbours >= n - 1
    index = _index_others(x) if all_others else _index_nearest(x, weights, neighbours)
    if features is not None:
        features = features.gather(2, index[..., None].expand(-1, -1, -1, features.shape[-1]))
    # Where a sample has fewer real objects than neighbours, padding is among the nearest.
    real = weights.squeeze(-1).expand(batch, -1, -1).gather(2, index).unsqueeze(-1) > 0
    weights = real.to(x) / real.sum(2, keepdim=True).clamp_min(1)
    senders = index + n * torch.arange(batch, device=x.device)[:, None, None]
    return Edges(x[:, :, None] - _gather_rows(x, senders), weights, features, senders)


def pair_mean_weights(inputs: Fields, x: Tensor) -> Tensor:
    """Return the weights of j in a mean over real objects other than i, (batch or 1, n, n, 1)."""
    n = x.shape[1]
    others = (1 - torch.eye(n, dtype=x.dtype, device=x.device)).view(1, n, n, 1)
    if MASK in inputs:
        others = others * inputs[MASK].to(x)[:, None]
    return others / others.sum(2, keepdim=True).clamp_min(1)


def _index_others(x: Tensor) -> Tensor:
    """Return all objects but i for each i, the next ones first, (batch, n, n - 1)."""
    n = x.shape[1]
    objects = torch.arange(n, device=x.device)
    index = (objects[:, None] + objects[1:]) % n
    return index.expand(len(x), -1, -1)


def _index_nearest(x: Tensor, weights: Tensor, neighbours: int) -> Tensor:
    """Return the objects nearest to each i, padding and i itself last, (batch, n, neighbours)."""
    x = x.detach()
    distance = torch.cdist(x, x).masked_fill(weights.squeeze(-1) == 0, torch.inf)
    return distance.topk(neighbours, largest=False).indices


def _gather_rows(h: Tensor, rows: Tensor) -> Tensor:
    """Return the rows (batch, n, k) of the objects in h, (batch, n, c): (batch, n, k, c)."""
    return h.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, rows.shape)
