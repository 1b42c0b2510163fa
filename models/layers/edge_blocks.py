"""Blocks of edges that fit into the cache, and how what senders hold is taken from and given to."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from models.layers.edges import Edges

EDGES = 1600  # at a time on a CPU


class Block(NamedTuple):
    """Some rows of edges, the samples of their senders, and (samples, rows of each, k)."""

    rows: slice
    samples: slice
    shape: tuple[int, int, int]

    def over(self, x: Tensor) -> Tensor:
        """Return values of edges, (edges, c), over components: (samples, rows, 1, k, c)."""
        samples, rows, k = self.shape
        return x.view(samples, rows, 1, k, x.shape[-1])

    def by_row(self, x: Tensor) -> Tensor:
        """Return (samples, rows, m, k, c) as (all rows, m k, c)."""
        return x.flatten(2, 3).flatten(0, 1)

    def by_sender(self, x: Tensor) -> Tensor:
        """Return (all rows, m k, c) as (samples, rows, m, k, c): `by_row` inverted."""
        samples, rows, k = self.shape
        return x.view(samples, rows, -1, k, x.shape[-1])


def cut_blocks(edges: Edges) -> list[Block]:
    """Return the blocks of edges: on a CPU several, else one."""
    batch, rows, k, _ = edges.vectors.shape
    size = EDGES if edges.vectors.device.type == "cpu" else batch * rows * k
    if edges.senders is not None:  # of any sample
        batch, rows = 1, batch * rows
    samples, several = max(1, size // (rows * k)), max(1, size // k)
    if samples > 1:
        cuts = [(s, min(samples, batch - s)) for s in range(0, batch, samples)]
        return [
            Block(slice(s * rows, (s + many) * rows), slice(s, s + many), (many, rows, k))
            for s, many in cuts
        ]
    cuts = [(s, i, min(several, rows - i)) for s in range(batch) for i in range(0, rows, several)]
    return [
        Block(slice(s * rows + i, s * rows + i + many), slice(s, s + 1), (1, many, k))
        for s, i, many in cuts
    ]


@dataclass(frozen=True)
class Senders:
    """Where senders of one l lie.

    All of a sample hold (batch, 2 l + 1, n, c), and there is no index. Gathered ones hold (objects,
    2 l + 1, c), with the components of all in a row; `index` has their places there, (rows, 2 l +
    1, k). Then `order` lists the places of index by component and sender, those of each from
    `starts` on.
    """

    index: Tensor | None = None
    order: Tensor | None = None
    starts: Tensor | None = None

    def arrange(self, x: Tensor) -> Tensor:
        """Return (batch, n, 2 l + 1, c) in the way that it is taken."""
        return x.transpose(1, 2).contiguous() if self.index is None else x.flatten(0, 2)

    def take(self, x: Tensor, block: Block) -> Tensor:
        """Return what senders of a block hold, (samples, rows or 1, 2 l + 1, k, c)."""
        if self.index is None:
            return x[block.samples].unsqueeze(1)
        index = self.index[block.rows]
        return x.index_select(0, index.flatten()).view(1, *index.shape, x.shape[-1])

    def sum_rows(self, x: Tensor) -> Tensor:
        """Return (samples, rows, 2 l + 1, k, c) summed over rows, where all send."""
        return x.sum(1) if self.index is None else x.flatten(0, 3)

    def give(self, parts: list[Tensor], blocks: list[Block]) -> Tensor:
        """Return the sums over edges of each sender: `take` transposed, after `sum_rows`."""
        if self.index is None:
            sums = {}
            for x, block in zip(parts, blocks, strict=True):
                first = block.samples.start
                sums[first] = sums[first] + x if first in sums else x
            return torch.cat([*sums.values()])
        x, m = torch.cat(parts), self.index.shape[1]
        if torch.is_grad_enabled() and x.requires_grad:  # a bag has no second derivative
            nothing = x.new_zeros(len(self.starts), x.shape[-1])
            return nothing.index_add(0, self.index.flatten(), x)
        sums = embedding_bag(self.order, x, self.starts, mode="sum")
        return sums.unflatten(0, (m, -1)).transpose(0, 1).flatten(0, 1)


def find_senders(edges: Edges, lmax: int) -> list[Senders]:
    """Return where senders lie, by l."""
    if edges.senders is None:
        return [Senders()] * (lmax + 1)
    senders = edges.senders.flatten(0, 1)  # (rows, k)
    k, total = senders.shape[1], senders.numel()
    batch, n = edges.size or edges.vectors.shape[:2]
    order = senders.flatten().argsort()
    counts = senders.flatten().bincount(minlength=batch * n)
    starts, found = counts.cumsum(0) - counts, []
    for l in range(lmax + 1):
        components = torch.arange(2 * l + 1, device=senders.device).unsqueeze(1)
        index = senders.unsqueeze(1) * (2 * l + 1) + components
        places = (order // k) * (k * len(components)) + order % k
        places = (places + k * components).flatten()
        found.append(Senders(index, places, (starts + total * components).flatten()))
    return found
