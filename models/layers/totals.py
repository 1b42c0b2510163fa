"""Derivatives summed over the paths of a block, and block after block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from models.layers.product_derivatives import Factors, Sums


class Totals:
    """Sums by what they are a derivative in, `kind`, and its index.

    Those in weights go on from block to block, all others are put together in the end.
    """

    def __init__(self) -> None:
        self.open: dict[tuple[str, int], Tensor] = {}
        self.closed: dict[tuple[str, int], list[Tensor]] = {}

    def add(self, kind: str, index: int, x: Tensor) -> None:
        """Add x."""
        total = self.open.get((kind, index))
        self.open[kind, index] = x if total is None else total + x

    def add_product(self, kind: str, index: int, x: Tensor | None, y: Tensor | None) -> None:
        """Add x times y, entry by entry, if both are there."""
        if x is not None and y is not None:
            total = self.open.get((kind, index))
            self.open[kind, index] = x * y if total is None else torch.addcmul(total, x, y)

    def add_matmul(self, kind: str, index: int, x: Tensor, y: Tensor) -> None:
        """Add the product of two matrices."""
        total = self.open.get((kind, index))
        self.open[kind, index] = x @ y if total is None else torch.addmm(total, x, y)

    def add_batched(self, kind: str, index: int, x: Tensor, y: Tensor) -> None:
        """Add the products of matrices in a batch."""
        total = self.open.get((kind, index))
        self.open[kind, index] = x @ y if total is None else torch.baddbmm(total, x, y)

    def close(self, sums: Sums) -> None:
        """End a block."""
        for kind, index in [key for key in self.open if key[0] != "weights"]:
            x = self.open.pop((kind, index))
            x = sums.senders[index].sum_rows(x) if kind == "senders" else x
            self.closed.setdefault((kind, index), []).append(x)

    def join(self, sums: Sums, want: Factors, like: Factors) -> tuple[Tensor | None, ...]:
        """Return the derivatives wanted in all factors, in their order."""
        weights = [
            self.open.get(("weights", i), torch.zeros_like(x)) if wanted else None
            for i, (x, wanted) in enumerate(zip(like.weights, want.weights, strict=True))
        ]
        senders = []
        for s, (x, wanted) in enumerate(zip(like.senders, want.senders, strict=True)):
            parts = self.closed.get(("senders", s))
            nothing = None if parts else torch.zeros_like(x)
            given = sums.senders[s].give(parts, sums.blocks) if parts else nothing
            senders.append(given if wanted else None)
        matrices = [
            self.join_rows("matrices", t, x, wanted)
            for t, (x, wanted) in enumerate(zip(like.matrices, want.matrices, strict=True))
        ]
        hidden = self.join_rows("hidden", 0, like.hidden, want.hidden)
        return hidden, *weights, *senders, *matrices

    def join_rows(self, kind: str, index: int, like: Tensor, wanted: bool) -> Tensor | None:
        """Return what is of rows, of all blocks, in the shape of a tensor, if it is wanted."""
        if not wanted:
            return None
        parts = self.closed.get((kind, index))
        return torch.cat(parts).view_as(like) if parts else torch.zeros_like(like)
