"""Rows of fields of one kind, each of one sample."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows in any order: `sample`, (rows,), says of which of `size` samples each is."""

    sample: Tensor
    size: int

    @cached_property
    def counts(self) -> Tensor:
        """How many rows each sample has, (size,)."""
        ones = torch.ones_like(self.sample)
        return ones.new_zeros(self.size).index_add(0, self.sample, ones)

    @cached_property
    def starts(self) -> Tensor:
        """Where the rows of each sample start in `order`, (size,)."""
        return self.counts.cumsum(0) - self.counts

    @cached_property
    def most(self) -> int:
        """The number of rows of the largest sample."""
        return int(self.counts.max())

    @cached_property
    def order(self) -> Tensor:
        """The rows, one sample after another."""
        return self.sample.argsort(stable=True)

    @cached_property
    def places(self) -> Tensor:
        """The place of each row among those of its sample, (rows,)."""
        return self.order.argsort() - self.starts[self.sample]

    def of(self, samples: Tensor) -> Tensor:
        """Return the rows of some samples, one sample after another."""
        counts = self.counts[samples]
        gaps = self.starts[samples] - (counts.cumsum(0) - counts)
        places = gaps.repeat_interleave(counts)
        return self.order[places + torch.arange(len(places), device=places.device)]

    def pad(self, x: Tensor) -> Tensor:
        """Return blocks (size, most, ..., dim) that hold the rows of each sample, then zeros."""
        blocks = x.new_zeros(self.size * self.most, *x.shape[1:])
        filled = blocks.index_copy(0, self.sample * self.most + self.places, x)
        return filled.view(self.size, self.most, *x.shape[1:])
