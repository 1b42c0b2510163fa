"""Products of senders with harmonics in blocks of edges that stay in the cache, and derivatives.

A path makes of what senders j hold the sums over j, and over components m, of M_ijm w_ij h_jm,
where w = V r has a value for each channel. That is linear in each of r, V, h and M, so that its
derivatives, and the derivatives of those, are sums of the same kind. Nothing as large as edges
times channels is kept: each of them computes w again.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.function import FunctionCtx

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


def can_block(x: Tensor) -> bool:
    """Tell whether products with edges x may be in blocks: in plain eager mode alone.

    A compiler cuts them itself; transforms of functions, forward mode and autocast have rules of
    their own for each operation.
    """
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    if traced or forward_ad._current_level >= 0 or torch.is_autocast_enabled(x.device.type):
        return False
    return x.numel() > 0


def sum_blocks(
    sums: Sums, hidden: Tensor, weight: Tensor, senders: list[Tensor], matrices: list[Tensor]
) -> tuple[Tensor, ...]:
    """Return the sums of each path, (rows, 2 l_out + 1, c), given V of all, (paths c, width).

    Senders lie as `Senders.take` asks for.
    """
    weights = weight.split(weight.shape[0] // len(sums.paths))
    return _Sum.apply(sums, hidden, *weights, *senders, *matrices)


def take_rows(parts: Parts, block: Block) -> list[Tensor | None]:
    """Return the rows of a block."""
    return [None if x is None else x[block.rows] for x in parts]


class _Sum(torch.autograd.Function):
    """The sums, whose derivatives are of `_Slopes` where they are to be differentiated again."""

    @staticmethod
    def forward(sums: Sums, *flat: Tensor) -> tuple[Tensor, ...]:
        return _multiply(sums, _collect(sums, flat))

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        _keep(ctx, inputs, inputs[0], 1)

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted = _find_wanted(ctx)[1:]
        differentiate = _Slopes.apply if torch.is_grad_enabled() else _differentiate
        return None, *differentiate(ctx.sums, wanted, *grads, *ctx.saved_tensors)


class _Slopes(torch.autograd.Function):
    """The derivatives of `_Sum`, which have derivatives as well."""

    @staticmethod
    def forward(sums: Sums, wanted: list[bool], *flat: Tensor | None) -> tuple[Tensor | None, ...]:
        return _differentiate(sums, wanted, *flat)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: tuple[Tensor | None, ...]) -> None:
        _keep(ctx, inputs, inputs[0], 2)

    @staticmethod
    def backward(ctx: FunctionCtx, *changes: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted = _find_wanted(ctx)[2:]
        return None, None, *_differentiate_twice(ctx.sums, wanted, changes, ctx.saved_tensors)


def _keep(ctx: FunctionCtx, inputs: tuple, sums: Sums, start: int) -> None:
    ctx.set_materialize_grads(False)
    ctx.sums, ctx.are_tensors = sums, [isinstance(x, Tensor) for x in inputs]
    ctx.save_for_backward(*inputs[start:])


def _find_wanted(ctx: FunctionCtx) -> list[bool]:
    """Return whether the pass under way asks for the derivative in each of the inputs."""
    nodes = iter(ctx.next_functions)  # of the inputs that are tensors
    asked = [tensor and _is_reached(next(nodes)[0]) for tensor in ctx.are_tensors]
    return [needs and ask for needs, ask in zip(ctx.needs_input_grad, asked, strict=True)]


def _is_reached(node: object) -> bool:
    """Tell whether a backward pass leads to a node; of a leaf it cannot be told."""
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError:
        return True


def _collect(sums: Sums, flat: Sequence) -> Factors:
    parts, ends = flat[1:], (len(sums.paths), len(sums.paths) + len(sums.senders))
    return Factors(flat[0], parts[: ends[0]], parts[slice(*ends)], parts[ends[1] :])


def _multiply(sums: Sums, factors: Factors) -> tuple[Tensor, ...]:
    blocks = []
    for block in sums.blocks:
        part = factors.take(sums, block)
        blocks.append(
            [
                part.matrices[path.matrix] @ block.by_row(block.over(part.hidden @ v.t()) * h)
                for path, v, h in _each_path(sums, part)
            ]
        )
    return tuple(torch.cat(parts) for parts in zip(*blocks, strict=True))


def _each_path(sums: Sums, part: Factors) -> Iterator[tuple[Path, Tensor, Tensor]]:
    for path, v in zip(sums.paths, part.weights, strict=True):
        yield path, v, part.senders[path.sender]


def _differentiate(
    sums: Sums, wanted: Sequence[bool], *flat: Tensor | None
) -> tuple[Tensor | None, ...]:
    """Return the derivatives wanted, given those in the sums and, behind them, the factors."""
    grads, flat = flat[: len(sums.paths)], flat[len(sums.paths) :]
    factors, want, totals = _collect(sums, flat), _collect(sums, wanted), Totals()
    for block in sums.blocks:
        part, slopes = factors.take(sums, block), take_rows(grads, block)
        for i, slope in enumerate(slopes):
            if slope is not None:
                _add_slopes(totals, block, sums.paths[i], i, part, slope, want)
        totals.close(sums)
    return totals.join(sums, want, factors)


def _add_slopes(
    totals: Totals, block: Block, path: Path, i: int, part: Factors, slope: Tensor, want: Factors
) -> None:
    """Add the derivatives of one path, whose sums have the derivative `slope`."""
    s, t = path.sender, path.matrix
    v, h, matrix = part.weights[i], part.senders[s], part.matrices[t]
    w = block.over(part.hidden @ v.t())
    if want.matrices[t]:
        totals.add("matrices", t, slope @ block.by_row(w * h).mT)
    spread = _spread(path, block, matrix, slope)
    if want.senders[s]:
        totals.add_product("senders", s, spread, w)
    if want.hidden or want.weights[i]:
        to_w = _contract((spread, h))
        if want.hidden:
            totals.add_matmul("hidden", 0, to_w, v)
        if want.weights[i]:
            totals.add_matmul("weights", i, to_w.t(), part.hidden)


def _differentiate_twice(
    sums: Sums, wanted: Sequence[bool], changes: Parts, flat: Parts
) -> tuple[Tensor | None, ...]:
    """Return the derivatives of the inner product of `_differentiate` with the changes.

    They are in what that takes: the derivatives in the sums and the factors.
    """
    count = len(sums.paths)
    grads, factors, change = flat[:count], _collect(sums, flat[count:]), _collect(sums, changes)
    want_grads, want, totals = wanted[:count], _collect(sums, wanted[count:]), Totals()
    for block in sums.blocks:
        part, moved = factors.take(sums, block), change.take(sums, block)
        for i, slope in enumerate(take_rows(grads, block)):
            if slope is not None:
                args = (totals, block, sums.paths[i], i, part, moved)
                changed = _change_product(block, sums.paths[i], i, part, moved)
                if want_grads[i]:
                    _add_changed_sums(*args, changed)
                _add_changed_slopes(*args, changed, slope, want)
        totals.close(sums)
    to_grads = (totals.join_rows("grads", i, grads[i], want_grads[i]) for i in range(count))
    return *to_grads, *totals.join(sums, want, factors)


class _Changed(NamedTuple):
    """The weights of one path in a block, how they change, and how w h does, by row."""

    w: Tensor
    w_change: Tensor | None
    product: Tensor | None


def _change_product(block: Block, path: Path, i: int, part: Factors, moved: Factors) -> _Changed:
    v, s = part.weights[i], path.sender
    w_change = None
    if moved.hidden is not None:
        w_change = moved.hidden @ v.t()
    if moved.weights[i] is not None:
        also = part.hidden @ moved.weights[i].t()
        w_change = also if w_change is None else w_change + also
    w = block.over(part.hidden @ v.t())
    w_change = None if w_change is None else block.over(w_change)
    product = _sum_products((w_change, part.senders[s]), (w, moved.senders[s]))
    return _Changed(w, w_change, None if product is None else block.by_row(product))


def _add_changed_sums(
    totals: Totals,
    block: Block,
    path: Path,
    i: int,
    part: Factors,
    moved: Factors,
    changed: _Changed,
) -> None:
    """Add how the sums of a path change, which is the derivative in theirs."""
    if changed.product is not None:
        totals.add("grads", i, part.matrices[path.matrix] @ changed.product)
    if moved.matrices[path.matrix] is not None:
        product = block.by_row(changed.w * part.senders[path.sender])
        totals.add_batched("grads", i, moved.matrices[path.matrix], product)


def _add_changed_slopes(
    totals: Totals,
    block: Block,
    path: Path,
    i: int,
    part: Factors,
    moved: Factors,
    changed: _Changed,
    slope: Tensor,
    want: Factors,
) -> None:
    """Add how the derivatives of `_add_slopes` change, each in the factor that it leaves out."""
    s, t = path.sender, path.matrix
    v, h = part.weights[i], part.senders[s]
    if want.matrices[t] and changed.product is not None:
        totals.add("matrices", t, slope @ changed.product.mT)
    spread = _spread(path, block, part.matrices[t], slope)
    spread_change = None
    if moved.matrices[t] is not None:
        spread_change = _spread(path, block, moved.matrices[t], slope)
    if want.senders[s]:
        totals.add_product("senders", s, spread, changed.w_change)
        totals.add_product("senders", s, spread_change, changed.w)
    to_w = _contract((spread, moved.senders[s]), (spread_change, h))
    if to_w is not None and want.hidden:
        totals.add_matmul("hidden", 0, to_w, v)
    if to_w is not None and want.weights[i]:
        totals.add_matmul("weights", i, to_w.t(), part.hidden)
    to_hidden, to_weight = want.hidden and moved.weights[i] is not None, want.weights[i]
    to_weight = to_weight and moved.hidden is not None
    if to_hidden or to_weight:
        to_change = _contract((spread, h))
        if to_hidden:
            totals.add_matmul("hidden", 0, to_change, moved.weights[i])
        if to_weight:
            totals.add_matmul("weights", i, to_change.t(), moved.hidden)


def _spread(path: Path, block: Block, matrix: Tensor, slope: Tensor) -> Tensor:
    """Return the matrix, turned, times slopes (rows, 2 l_out + 1, c), as senders are taken."""
    if path.is_diagonal:
        diagonal = matrix[:, 0, : block.shape[2], None]
        product = diagonal.unsqueeze(1) * slope.unsqueeze(2)
    elif matrix.shape[1] == 1:  # a column times a row
        product = matrix.mT * slope
    else:
        product = matrix.mT @ slope
    return block.by_sender(product)


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
