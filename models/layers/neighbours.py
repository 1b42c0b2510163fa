"""Edges of the graph: from every object or its nearest neighbours, and sums over who sends."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.layers.fields import pack_pairs
from models.layers.lengths import smooth_length
from remul.fields import MASK, Fields, Types

ROUND_OFF = 8  # of distances after a motion, in units of the precision times the farthest point
PAIRS_AT_ONCE = 1 << 20  # of which distances are held at a time


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
        return smooth_length(self.vectors)

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
    features, real = pack_pairs(inputs, types), inputs.get(MASK, x.new_ones(batch, n, 1)) > 0
    if neighbours is None or neighbours >= n - 1:
        index = _index_others(x)
        sends = real.mT.expand(-1, n, -1).gather(2, index)
    else:
        index, sends = find_nearest(x, real.squeeze(-1), neighbours)
    if features is not None:
        features = features.gather(2, index[..., None].expand(-1, -1, -1, features.shape[-1]))
    sends = sends.unsqueeze(-1)
    weights = sends.to(x) / sends.sum(2, keepdim=True).clamp_min(1)
    senders = index + n * torch.arange(batch, device=x.device)[:, None, None]
    return Edges(x[:, :, None] - _gather_rows(x, senders), weights, features, senders)


def find_nearest(x: Tensor, real: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Return the objects nearest to each i, (batch, n, k), and which of them are its neighbours.

    These are the real objects (batch, n) other than i up to the distance of the nearest
    `neighbours`. All at that distance, up to round-off, are among them: so neither the order of the
    objects nor a motion changes them, and k is more than `neighbours` where there are ties. It is
    n - 1 where no number can be read from a tensor: in export, `vmap` and a captured CUDA graph.
    """
    batch, n, _ = x.shape
    if neighbours == 0:
        index = torch.zeros(batch, n, 0, dtype=torch.long, device=x.device)
        return index, index > 0
    round_off = ROUND_OFF * torch.finfo(x.dtype).eps
    x = x.detach().double()  # holds differences of float32 without a loss, and squares of 1e-30
    tolerance = round_off * x.norm(dim=-1).amax(1)[:, None, None]
    width = neighbours + 1
    while True:  # until an object that is no neighbour stands behind those of every other
        distances, index = _rank_others(x, real, width)
        limits = distances[..., neighbours - 1 : neighbours] + tolerance
        sends = distances <= limits.clamp_max(torch.finfo(x.dtype).max)  # padding is at infinity
        k = _read_largest(sends.sum(-1), n - 1)
        if k < width or width == n - 1:
            return index[..., : max(k, neighbours)], sends[..., : max(k, neighbours)]
        width = min(max(k, 2 * width), n - 1)


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
    return index.expand(x.shape[0], -1, -1)


def _rank_others(x: Tensor, real: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return distances and rows of the nearest others, (batch, n, count), padding at infinity.

    A few receivers at a time, from differences: products of matrices would lose digits.
    """
    batch, n, _ = x.shape
    objects, ranked = torch.arange(n, device=x.device), []
    for rows in objects.split(max(1, PAIRS_AT_ONCE // max(1, batch * n))):
        distances = torch.cdist(x[:, rows], x, compute_mode="donot_use_mm_for_euclid_dist")
        absent = ~real[:, None] | (rows[:, None] == objects)
        ranked.append(distances.masked_fill(absent, torch.inf).topk(count, largest=False))
    distances, index = zip(*ranked, strict=True)
    return torch.cat(distances, 1), torch.cat(index, 1)


def _read_largest(counts: Tensor, otherwise: int) -> int:
    """Return the largest entry, or `otherwise` where a tensor has no number that can be read."""
    if torch.compiler.is_exporting():
        return otherwise
    if counts.is_cuda and torch.cuda.is_current_stream_capturing():
        return otherwise
    try:
        return int(counts.max()) if counts.numel() else 0
    except RuntimeError:  # under `torch.func.vmap`
        return otherwise


def _gather_rows(h: Tensor, rows: Tensor) -> Tensor:
    """Return the rows (batch, n, k) of the objects in h, (batch, n, c): (batch, n, k, c)."""
    return h.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, rows.shape)
