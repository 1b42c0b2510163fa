"""Sums over edges of products, block by block, and the formulas of their derivatives.

A path makes of what senders j hold the sums over j, and over components m, of M_ijm w_ij h_jm,
where w = V r has a value for each channel. That is linear in each of r, V, h and M, so that its
derivatives, and the derivatives of those, are sums of the same kind.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.layers.edge_blocks import Block, Senders
from models.layers.totals import Totals

Parts = Sequence[Tensor | None]


class Path(NamedTuple):
    """Which of the senders' tensors and of the matrices a path takes; M may be m times unity."""

    sender: int
    matrix: int
    is_diagonal: bool


class Sums(NamedTuple):
    """What is to be summed, of senders that lie in some way."""

    paths: list[Path]
    senders: list[Senders]
    blocks: list[Block]


class Factors(NamedTuple):
    """What is multiplied, or something in its shape: derivatives, changes, what is wanted.

    These are r, (rows, k, width), V by path, (c, width), what senders hold, and M of each matrix,
    (rows, 2 l_out + 1, (2 l_in + 1) k).
    """

    hidden: Tensor | None
    weights: Parts
    senders: Parts
    matrices: Parts

    def take(self, sums: Sums, block: Block) -> "Factors":
        """Return the part of a block: r as (edges, width), senders as `Senders.take` has them."""
        return Factors(
            None if self.hidden is None else self.hidden[block.rows].flatten(0, 1),
            self.weights,
            [
                None if x is None else each.take(x, block)
                for x, each in zip(self.senders, sums.senders, strict=True)
            ],
            take_rows(self.matrices, block),
        )


class _Term(NamedTuple):
    """One path in one block: its factors, how they change, if they do, and the derivative in it."""

    index: int
    path: Path
    block: Block
    part: Factors
    moved: Factors | None
    slope: Tensor


def collect(sums: Sums, flat: Sequence) -> Factors:
    """Return factors from one list."""
    parts, ends = flat[1:], (len(sums.paths), len(sums.paths) + len(sums.senders))
    return Factors(flat[0], parts[: ends[0]], parts[slice(*ends)], parts[ends[1] :])


def take_rows(parts: Parts, block: Block) -> list[Tensor | None]:
    """Return the rows of a block."""
    return [None if x is None else x[block.rows] for x in parts]


def multiply(sums: Sums, factors: Factors) -> tuple[Tensor, ...]:
    """Return the sums of each path, (rows, 2 l_out + 1, c)."""
    blocks = []
    for block in sums.blocks:
        part, products = factors.take(sums, block), []
        for path, v in zip(sums.paths, part.weights, strict=True):
            w = block.over(part.hidden @ v.t())
            product = block.by_row(w * part.senders[path.sender])
            products.append(part.matrices[path.matrix] @ product)
        blocks.append(products)
    return tuple(torch.cat(parts) for parts in zip(*blocks, strict=True))


def differentiate(
    sums: Sums, wanted: Sequence[bool], *flat: Tensor | None
) -> tuple[Tensor | None, ...]:
    """Return the derivatives wanted, given those in the sums and, behind them, the factors."""
    grads, flat = flat[: len(sums.paths)], flat[len(sums.paths) :]
    factors, want, totals = collect(sums, flat), collect(sums, wanted), Totals()
    for block in sums.blocks:
        part = factors.take(sums, block)
        for i, slope in enumerate(take_rows(grads, block)):
            if slope is not None:
                _add_slopes(totals, _Term(i, sums.paths[i], block, part, None, slope), want)
        totals.close(sums)
    return totals.join(sums, want, factors)


def differentiate_twice(
    sums: Sums, wanted: Sequence[bool], changes: Parts, flat: Parts
) -> tuple[Tensor | None, ...]:
    """Return the derivatives of the inner product of what `differentiate` gives with the changes.

    They are in what it takes: the derivatives in the sums and the factors.
    """
    count = len(sums.paths)
    grads, factors, change = flat[:count], collect(sums, flat[count:]), collect(sums, changes)
    want_grads, want, totals = wanted[:count], collect(sums, wanted[count:]), Totals()
    for block in sums.blocks:
        part, moved = factors.take(sums, block), change.take(sums, block)
        for i, slope in enumerate(take_rows(grads, block)):
            if slope is not None:
                term = _Term(i, sums.paths[i], block, part, moved, slope)
                changed = _change_product(term)
                if want_grads[i]:
                    _add_changed_sums(totals, term, changed)
                _add_changed_slopes(totals, term, changed, want)
        totals.close(sums)
    to_grads = (totals.join_rows("grads", i, grads[i], want_grads[i]) for i in range(count))
    return *to_grads, *totals.join(sums, want, factors)


def _add_slopes(totals: Totals, term: _Term, want: Factors) -> None:
    """Add the derivatives of one path."""
    i, (s, t, _), block, part, _, slope = term
    v, h = part.weights[i], part.senders[s]
    w = block.over(part.hidden @ v.t())
    if want.matrices[t]:
        totals.add("matrices", t, slope @ block.by_row(w * h).mT)
    spread = _spread(term, part.matrices[t])
    if want.senders[s]:
        totals.add_product("senders", s, spread, w)
    if want.hidden or want.weights[i]:
        to_w = _contract((spread, h))
        if want.hidden:
            totals.add_matmul("hidden", 0, to_w, v)
        if want.weights[i]:
            totals.add_matmul("weights", i, to_w.t(), part.hidden)


class _Changed(NamedTuple):
    """The weights w of one path in a block, how they change, and how w h does, by row."""

    w: Tensor
    w_change: Tensor | None
    product: Tensor | None


def _change_product(term: _Term) -> _Changed:
    i, (s, *_), block, part, moved, _ = term
    v, w_change = part.weights[i], None
    if moved.hidden is not None:
        w_change = moved.hidden @ v.t()
    if moved.weights[i] is not None:
        also = part.hidden @ moved.weights[i].t()
        w_change = also if w_change is None else w_change + also
    w = block.over(part.hidden @ v.t())
    w_change = None if w_change is None else block.over(w_change)
    product = _sum_products((w_change, part.senders[s]), (w, moved.senders[s]))
    return _Changed(w, w_change, None if product is None else block.by_row(product))


def _add_changed_sums(totals: Totals, term: _Term, changed: _Changed) -> None:
    """Add how the sums of a path change, which is the derivative in theirs."""
    i, (s, t, _), block, part, moved, _ = term
    if changed.product is not None:
        totals.add("grads", i, part.matrices[t] @ changed.product)
    if moved.matrices[t] is not None:
        product = block.by_row(changed.w * part.senders[s])
        totals.add_batched("grads", i, moved.matrices[t], product)


def _add_changed_slopes(totals: Totals, term: _Term, changed: _Changed, want: Factors) -> None:
    """Add how the derivatives of `_add_slopes` change, each in the factor that it leaves out."""
    i, (s, t, _), _, part, moved, slope = term
    v, h, v_change = part.weights[i], part.senders[s], moved.weights[i]
    if want.matrices[t] and changed.product is not None:
        totals.add("matrices", t, slope @ changed.product.mT)
    spread, matrix_change = _spread(term, part.matrices[t]), moved.matrices[t]
    spread_change = None if matrix_change is None else _spread(term, matrix_change)
    if want.senders[s]:
        totals.add_product("senders", s, spread, changed.w_change)
        totals.add_product("senders", s, spread_change, changed.w)
    to_w = _contract((spread, moved.senders[s]), (spread_change, h))
    if to_w is not None and want.hidden:
        totals.add_matmul("hidden", 0, to_w, v)
    if to_w is not None and want.weights[i]:
        totals.add_matmul("weights", i, to_w.t(), part.hidden)
    to_hidden = want.hidden and v_change is not None
    to_weight = want.weights[i] and moved.hidden is not None
    if to_hidden or to_weight:
        to_change = _contract((spread, h))
        if to_hidden:
            totals.add_matmul("hidden", 0, to_change, v_change)
        if to_weight:
            totals.add_matmul("weights", i, to_change.t(), moved.hidden)


def _spread(term: _Term, matrix: Tensor) -> Tensor:
    """Return the matrix, turned, times the slopes, as senders are taken."""
    slope, k = term.slope, term.block.shape[2]
    if term.path.is_diagonal:
        product = matrix[:, :1, :k, None] * slope.unsqueeze(2)
    elif matrix.shape[1] == 1:  # a column times a row
        product = matrix.mT * slope
    else:
        product = matrix.mT @ slope
    return term.block.by_sender(product)


def _sum_products(*pairs: tuple[Tensor | None, Tensor | None]) -> Tensor | None:
    """Return the sum of the products of pairs that are there, if any is."""
    total = None
    for x, y in pairs:
        if x is not None and y is not None:
            total = x * y if total is None else torch.addcmul(total, x, y)
    return total


def _contract(*pairs: tuple[Tensor | None, Tensor | None]) -> Tensor | None:
    """Return products (samples, rows, m, k, c) summed over pairs and over m, (edges, c)."""
    there = [pair for pair in pairs if pair[0] is not None and pair[1] is not None]
    parts = [zip(x.unbind(2), y.unbind(2), strict=True) for x, y in there]
    total = _sum_products(*(pair for part in parts for pair in part))
    return None if total is None else total.flatten(0, 2)
