"""Lists of edges, given or found, laid in rows of senders."""

from typing import NamedTuple

import torch
from torch import Tensor

from models.layers import search
from models.layers.edges import Edges
from models.layers.fields import pack_pairs
from models.layers.samples import CELL, has_cell, number_samples
from models.layers.search import Pairs
from remul.fields import BATCH, EDGE_INDEX, MASK, SHIFT, Fields, Types

SPARE = 1.5  # times the edges, room that is taken for one row for each object


class Reach(NamedTuple):
    """Which others send to an object: all, its nearest `neighbours`, or those within `cutoff`."""

    neighbours: int | None = None
    cutoff: float | None = None


class Rows(NamedTuple):
    """Where the edges lie, sorted by receiver: `edge` in each place, (rows, k), if it is `real`."""

    edge: Tensor
    real: Tensor
    receivers: Tensor | None  # as `Edges` has them


def list_edges(inputs: Fields, types: Types, x: Tensor, reach: Reach, several: bool) -> Edges:
    """Return the edges between objects at x, (batch, n, 3), one to a row, or `several`."""
    given = EDGE_INDEX in inputs
    pairs, features = _sort(inputs, types) if given else _search(inputs, types, x, reach)
    batch, n, _ = x.shape
    rows = _make_rows(pairs.receivers, batch * n, several and search.can_read(x))
    shape = (batch, n) if rows.receivers is None else (1, len(rows.edge))
    offsets = _move_senders(inputs, pairs, x) if has_cell(types) else None

    def arrange(values: Tensor | None) -> Tensor | None:
        """Return values of edges, (E, ...), in rows, (batch, rows, k, ...)."""
        return None if values is None else values[rows.edge].unflatten(0, shape)

    senders, offsets, features = (arrange(values) for values in (pairs.senders, offsets, features))
    sends = rows.real.to(x).unflatten(0, shape).unsqueeze(-1)
    edges = Edges(x, sends, features, senders, rows.receivers, (batch, n), offsets)
    return edges.at(x).weigh(reach.cutoff)


def _sort(inputs: Fields, types: Types) -> tuple[Pairs, Tensor | None]:
    """Return the edges given, by receiver, and their features."""
    senders, receivers = inputs[EDGE_INDEX]
    receivers, order = receivers.sort(stable=True)
    features, shift = pack_pairs(inputs, types), inputs.get(SHIFT)
    shift, features = (None if part is None else part[order] for part in (shift, features))
    return Pairs(senders[order], receivers, shift), features


def _search(inputs: Fields, types: Types, x: Tensor, reach: Reach) -> tuple[Pairs, Tensor | None]:
    """Return the edges within reach and their features."""
    n, features = x.shape[1], pack_pairs(inputs, types)
    if features is not None and BATCH in inputs:
        raise ValueError(f"fields of pairs need {EDGE_INDEX!r}, int64 (2, E), beside {BATCH!r}")
    real = inputs[MASK].flatten().nonzero().squeeze(-1) if MASK in inputs else slice(None)
    points, samples = x.flatten(0, 1)[real], number_samples(inputs, x)[real]
    pairs = _find(inputs, types, points, samples, reach)
    if MASK in inputs:
        pairs = pairs._replace(senders=real[pairs.senders], receivers=real[pairs.receivers])
    if features is not None:  # (batch, n, n, c)
        features = features.flatten(0, 2)[pairs.receivers * n + pairs.senders % n]
    return pairs, features


def _find(inputs: Fields, types: Types, x: Tensor, samples: Tensor, reach: Reach) -> Pairs:
    """Return the edges within reach between points (N, 3) of the samples (N,)."""
    neighbours, cutoff = reach
    if has_cell(types):
        if cutoff is None:
            raise ValueError(f"a cell needs a cutoff, or {EDGE_INDEX!r} with {SHIFT!r}")
        return search.find_images(x, samples, inputs[CELL].unflatten(-1, (3, 3)), cutoff)
    if cutoff is not None:
        return search.find_within(x, samples, cutoff)
    if neighbours is None:
        return search.pair_all(samples)
    return search.find_nearest_of_samples(x, samples, neighbours)


def _move_senders(inputs: Fields, pairs: Pairs, x: Tensor) -> Tensor | None:
    """Return the lattice vectors that senders are moved by, (E, 3)."""
    if pairs.shift is None:
        return None
    cells = inputs[CELL].unflatten(-1, (3, 3))[number_samples(inputs, x)[pairs.receivers]]
    return (pairs.shift.to(x).unsqueeze(-1) * cells).sum(1)


def _make_rows(receivers: Tensor, count: int, several: bool) -> Rows:
    """Return rows for the edges of `count` receivers, (E,) in order.

    One row for each receiver where that leaves little room empty, else rows of half the mean width.
    """
    if not several:
        edge = torch.arange(len(receivers), device=receivers.device).unsqueeze(-1)
        return Rows(edge, torch.ones_like(edge), receivers)
    counts = receivers.bincount(minlength=count)
    width, single = int(counts.max()), True
    if width * count > SPARE * len(receivers):
        width, single = -(-len(receivers) // (2 * count)), False
    rows = torch.ones_like(counts) if single else (counts + width - 1) // width
    owners = torch.arange(count, device=counts.device).repeat_interleave(rows)
    ends = counts.cumsum(0)
    before = torch.arange(len(owners), device=counts.device) - (rows.cumsum(0) - rows)[owners]
    first = (ends - counts)[owners] + before * width
    edge = first.unsqueeze(-1) + torch.arange(width, device=counts.device)
    real = edge < ends[owners].unsqueeze(-1)
    return Rows(edge.clamp_max(len(receivers) - 1), real, None if single else owners)
