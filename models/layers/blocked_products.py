"""Products of senders and harmonics in blocks of edges that stay in the cache, differentiable twice.

A path makes of what senders j hold the sums over j, and over components m, of M_ijm w_ij h_jm,
where w = V r has a value for each channel. These are linear in each of r, V, h and M, so that their
derivatives, and the derivatives of those, are sums of the same kind. Nothing as large as edges
times channels is kept: every derivative computes w again.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.function import FunctionCtx
from torch.nn.functional import embedding_bag

from models.layers.edges import Edges

EDGES = 1024  # at a time on a CPU

Maybe = Tensor | None


class Path(NamedTuple):
    """Which of the senders' tensors and of the matrices a path takes."""

    sender: int
    matrix: int


class Block(NamedTuple):
    """Some rows of edges, the samples that hold their senders, and (samples, rows of each, k)."""

    rows: slice
    samples: slice
    shape: tuple[int, int, int]


class Gathering(NamedTuple):
    """Where senders (rows, 2 l + 1, k) of one l lie in (objects (2 l + 1), c).

    And the same edges sorted by sender: their places, and where those of each sender begin.
    """

    index: Tensor
    order: Tensor
    starts: Tensor


class Plan(NamedTuple):
    """How edges are cut to blocks, and where gathered senders are, by l."""

    blocks: list[Block]
    gatherings: list[Gathering]


class Sums(NamedTuple):
    """What is summed: the paths, and of each tensor of senders how it is gathered, if it is."""

    blocks: list[Block]
    paths: list[Path]
    gatherings: list[Gathering | None]

    @property
    def count(self) -> int:
        return len(self.gatherings)


class Factors(NamedTuple):
    """What is multiplied, or something of its shape: a derivative, a change.

    These are r, (rows, k, width), V, (paths c, width), what senders hold and, for each triple, M,
    (rows, 2 l_out + 1, (2 l_in + 1) k). Senders that are all of a sample hold (batch, 2 l + 1, n,
    c), gathered ones (objects (2 l + 1), c).
    """

    hidden: Maybe
    weight: Maybe
    senders: Sequence[Maybe]
    matrices: Sequence[Maybe]

    def flatten(self) -> tuple[Maybe, ...]:
        return self.hidden, self.weight, *self.senders, *self.matrices


def collect(sums: Sums, flat: Sequence) -> Factors:
    end = 2 + len(sums.gatherings)
    return Factors(flat[0], flat[1], flat[2:end], flat[end:])


def plan_blocks(edges: Edges, lmax: int) -> Plan:
    """Return the plan for edges: on a CPU in blocks, else all at once."""
    batch, rows, k, _ = edges.vectors.shape
    size = EDGES if edges.vectors.device.type == "cpu" else batch * rows * k
    if edges.senders is not None:
        return Plan(_cut(1, batch * rows, k, size), _gather(edges, lmax))
    return Plan(_cut(batch, rows, k, size), [])


def _cut(batch: int, rows: int, k: int, size: int) -> list[Block]:
    samples, several = max(1, size // (rows * k)), max(1, size // k)
    return [
        Block(
            slice(s * rows + i, (s + many - 1) * rows + min(i + several, rows)),
            slice(s, s + many),
            (many, min(several, rows - i), k),
        )
        for s in range(0, batch, samples)
        for many in [min(samples, batch - s)]
        for i in range(0, rows, several)
    ]


def _gather(edges: Edges, lmax: int) -> list[Gathering]:
    senders = edges.senders.flatten(0, 1)  # (rows, k)
    k, total = senders.shape[1], senders.numel()
    batch, n = edges.size or edges.vectors.shape[:2]
    flat = senders.flatten()
    order = flat.argsort()
    counts = flat.bincount(minlength=batch * n)
    starts = counts.cumsum(0) - counts
    gatherings = []
    for l in range(lmax + 1):
        m = 2 * l + 1
        components = torch.arange(m, device=senders.device).unsqueeze(1)
        places = order // k * (m * k) + order % k  # of component 0 in (rows, m, k)
        gatherings.append(
            Gathering(
                senders.unsqueeze(1) * m + components,
                (places + k * components).flatten(),
                (starts + total * components).flatten(),
            )
        )
    return gatherings


def can_block(x: Tensor) -> bool:
    """Tell whether ..."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    if forward_ad._current_level >= 0 or torch.is_autocast_enabled(x.device.type):
        return False
    return x.numel() > 0


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(sums: Sums, *flat: Tensor) -> tuple[Tensor, ...]:
        return _multiply(sums, collect(sums, flat))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        ctx.are_tensors = [isinstance(x, Tensor) for x in inputs]
        ctx.sums = inputs[0]
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx, *grads):
        wanted = _find_wanted(ctx)[1:]
        differentiate = _Slopes.apply if torch.is_grad_enabled() else _slopes
        return None, *differentiate(ctx.sums, wanted, len(grads), *grads, *ctx.saved_tensors)


class _Slopes(torch.autograd.Function):
    @staticmethod
    def forward(sums, wanted, count, *flat):
        return _slopes(sums, wanted, count, *flat)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        ctx.are_tensors = [isinstance(x, Tensor) for x in inputs]
        ctx.sums, _, ctx.count, *flat = inputs
        ctx.save_for_backward(*flat)

    @staticmethod
    def backward(ctx, *changes):
        wanted = _find_wanted(ctx)[3:]
        flat = ctx.saved_tensors
        factors = collect(ctx.sums, flat[ctx.count :])
        return None, None, None, *_curve(ctx.sums, wanted, flat[: ctx.count], factors, collect(ctx.sums, changes))


def _find_wanted(ctx):
    nodes = iter(ctx.next_functions)  # of the inputs that are tensors
    asked = [_is_asked_for(next(nodes)[0]) if tensor else False for tensor in ctx.are_tensors]
    return [needs and ask for needs, ask in zip(ctx.needs_input_grad, asked, strict=True)]


def _is_asked_for(node):
    """Tell whether the backward pass under way leads to a node.  A leaf has no way to tell."""
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError:
        return True


class Piece:
    def __init__(self, sums: Sums, block: Block):
        self.sums, self.block = sums, block
        self.samples, self.rows, self.k = block.shape

    def take_senders(self, tensors):
        out = []
        for x, gathering in zip(tensors, self.sums.gatherings, strict=True):
            if x is None:
                out.append(None)
            elif gathering is None:
                out.append(x[self.block.samples].unsqueeze(1))
            else:
                index = gathering.index[self.block.rows]
                out.append(x.index_select(0, index.flatten()).view(1, *index.shape, -1))
        return out

    def take_hidden(self, x):
        return None if x is None else x[self.block.rows].flatten(0, 1)

    def take(self, tensors):
        return [None if x is None else x[self.block.rows] for x in tensors]

    def over(self, w):
        """(e, c) -> (s, r, 1, k, c)"""
        return w.view(self.samples, self.rows, 1, self.k, -1)

    def give(self, x):
        """(rows, m k, c) -> (s, r, m, k, c)"""
        return x.view(self.samples, self.rows, -1, self.k, x.shape[-1])


def _rows(x):
    """(s, r, m, k, c) -> (rows, m k, c)"""
    return x.flatten(2, 3).flatten(0, 1)


def _multiply(sums, f):
    c = f.senders[0].shape[-1]
    blocks = []
    weights = [v.t() for v in f.weight.split(c)]
    for block in sums.blocks:
        piece = Piece(sums, block)
        r, h, m = piece.take_hidden(f.hidden), piece.take_senders(f.senders), piece.take(f.matrices)
        blocks.append(
            [
                m[matrix] @ _rows(piece.over(r @ v) * h[sender])
                for v, (sender, matrix) in zip(weights, sums.paths, strict=True)
            ]
        )
    return tuple(torch.cat(parts) for parts in zip(*blocks, strict=True))


class Totals:
    def __init__(self, sums, f):
        self.sums = sums
        self.hidden, self.weight = [], [None] * len(sums.paths)
        self.senders = [[] for _ in sums.gatherings]
        self.matrices = [[] for _ in f.matrices]


def _slopes(sums, wanted, count, *flat):
    grads, f = flat[:count], collect(sums, flat[count:])
    want = collect(sums, wanted[-len(flat) + count:])
    c = f.senders[0].shape[-1]
    weights = f.weight.split(c)
    to_weight = [None] * len(sums.paths)
    blocks_hidden, blocks_senders, blocks_matrices = [], [], []
    for block in sums.blocks:
        piece = Piece(sums, block)
        r, h, m = piece.take_hidden(f.hidden), piece.take_senders(f.senders), piece.take(f.matrices)
        g = piece.take(grads)
        to_hidden, to_h, to_m = None, [None] * len(h), [None] * len(m)
        for i, (v, (s, t)) in enumerate(zip(weights, sums.paths, strict=True)):
            if g[i] is None:
                continue
            w = piece.over(r @ v.t())
            if want.matrices[t]:
                to_m[t] = _add(to_m[t], g[i] @ _rows(w * h[s]).mT)
            d = piece.give(m[t].mT @ g[i])
            if want.senders[s]:
                to_h[s] = _add_product(to_h[s], d, w)
            if want.hidden or want.weight:
                to_w = _contract(d, h[s])
                if want.hidden:
                    to_hidden = to_w @ v if to_hidden is None else torch.addmm(to_hidden, to_w, v)
                if want.weight:
                    to_weight[i] = to_w.t() @ r if to_weight[i] is None else torch.addmm(to_weight[i], to_w.t(), r)
        blocks_hidden.append(to_hidden); blocks_senders.append(_reduce(piece, to_h)); blocks_matrices.append(to_m)
    return _join(sums, f, want, blocks_hidden, to_weight, blocks_senders, blocks_matrices).flatten()


def _reduce(piece, to_h):
    return [x if x is None or g is not None else x.sum(1) for x, g in zip(to_h, piece.sums.gatherings, strict=True)]


def _join(sums, f, want, hidden, weight, senders, matrices):
    def cat(x, like, wanted):
        if not wanted:
            return None
        if x[0] is None:
            return torch.zeros_like(like)
        return torch.cat(x).view(like.shape)
    to_hidden = cat(hidden, f.hidden, want.hidden)
    to_weight = None
    if want.weight:
        c = f.senders[0].shape[-1]
        to_weight = torch.cat([torch.zeros_like(v) if x is None else x for x, v in zip(weight, f.weight.split(c), strict=True)])
    to_senders = []
    for x, g, like, wanted in zip(zip(*senders), sums.gatherings, f.senders, want.senders):
        if not wanted: to_senders.append(None)
        elif x[0] is None: to_senders.append(torch.zeros_like(like))
        elif g is None:
            to_senders.append(_sum_samples(sums, x))
        else:
            x = torch.cat([y.flatten(0, 3) for y in x])
            y = embedding_bag(g.order, x, g.starts, mode="sum")  # (m objects, c)
            to_senders.append(y.view(-1, len(like) // g.index.shape[1], x.shape[-1]).transpose(0, 1).flatten(0, 1) if False else y.view(g.index.shape[1], -1, x.shape[-1]).transpose(0, 1).flatten(0, 1))
    to_matrices = [cat(x, like, wanted) for x, like, wanted in zip(zip(*matrices), f.matrices, want.matrices)]
    return Factors(to_hidden, to_weight, to_senders, to_matrices)


def _sum_samples(sums, parts):
    by_sample = {}
    for block, x in zip(sums.blocks, parts, strict=True):
        start = block.samples.start
        by_sample[start] = by_sample[start] + x if start in by_sample else x
    return torch.cat([*by_sample.values()])


def _add_product(total, x, y):
    return x * y if total is None else torch.addcmul(total, x, y)


def _sum_products(*pairs):
    """x y' + x' y + ... over the pairs that are there"""
    total = None
    for x, y in pairs:
        if x is not None and y is not None:
            total = _add_product(total, x, y)
    return total


def _curve(sums, wanted, grads, f, z):
    count = len(grads)
    want_grads, want = wanted[:count], collect(sums, wanted[count:])
    c = f.senders[0].shape[-1]
    weights = f.weight.split(c)
    z_weights = [None] * len(weights) if z.weight is None else z.weight.split(c)
    to_weight = [None] * len(sums.paths)
    blocks_hidden, blocks_senders, blocks_matrices, blocks_grads = [], [], [], []
    for block in sums.blocks:
        piece = Piece(sums, block)
        r, h, m = piece.take_hidden(f.hidden), piece.take_senders(f.senders), piece.take(f.matrices)
        zr, zh, zm = piece.take_hidden(z.hidden), piece.take_senders(z.senders), piece.take(z.matrices)
        g = piece.take(grads)
        to_hidden, to_h, to_m, to_g = None, [None] * len(h), [None] * len(m), [None] * count
        for i, (v, zv, (s, t)) in enumerate(zip(weights, z_weights, sums.paths, strict=True)):
            if g[i] is None:
                continue
            w = piece.over(r @ v.t())
            zw = None
            if zr is not None:
                zw = zr @ v.t()
            if zv is not None:
                zw = r @ zv.t() if zw is None else torch.addmm(zw, r, zv.t())
            zw = None if zw is None else piece.over(zw)
            zx = _sum_products((zw, h[s]), (w, zh[s]))
            zx = None if zx is None else _rows(zx)
            # to g
            if want_grads[i]:
                y = None if zx is None else m[t] @ zx
                if zm[t] is not None:
                    x = _rows(w * h[s])
                    y = zm[t] @ x if y is None else torch.baddbmm(y, zm[t], x)
                to_g[i] = y
            if want.matrices[t] and zx is not None:
                to_m[t] = _add(to_m[t], g[i] @ zx.mT)
            d = piece.give(m[t].mT @ g[i])
            zd = None if zm[t] is None else piece.give(zm[t].mT @ g[i])
            if want.senders[s]:
                for pair in ((d, zw), (zd, w)):
                    if pair[0] is not None and pair[1] is not None:
                        to_h[s] = _add_product(to_h[s], *pair)
            to_w = _contract_pairs((d, zh[s]), (zd, h[s]))
            if want.hidden:
                if to_w is not None:
                    to_hidden = to_w @ v if to_hidden is None else torch.addmm(to_hidden, to_w, v)
            if want.weight:
                if to_w is not None:
                    to_weight[i] = _add(to_weight[i], to_w.t() @ r)
            if (want.weight and zr is not None) or (want.hidden and zv is not None):
                to_zw = _contract(d, h[s])
                if want.weight and zr is not None:
                    to_weight[i] = _add(to_weight[i], to_zw.t() @ zr)
                if want.hidden and zv is not None:
                    to_hidden = _add(to_hidden, to_zw @ zv)
        blocks_hidden.append(to_hidden); blocks_senders.append(_reduce(piece, to_h)); blocks_matrices.append(to_m); blocks_grads.append(to_g)
    to_grads = [None if not want or x[0] is None else torch.cat(x) for x, want in zip(zip(*blocks_grads), want_grads)]
    return *to_grads, *_join(sums, f, want, blocks_hidden, to_weight, blocks_senders, blocks_matrices).flatten()


def _contract(x, y):
    """(s, r, m, k, c) -> (s r k, c), sum over m of x * y"""
    return _contract_pairs((x, y))


def _contract_pairs(*pairs):
    out = None
    for x, y in pairs:
        if x is None or y is None:
            continue
        for m in range(x.shape[2]):
            out = _add_product(out, x[:, :, m], y[:, :, m])
    return None if out is None else out.flatten(0, 2)


def _add(a, b):
    return b if a is None else a + b


def sum_in_blocks(plan, paths, degrees, hidden, weight, senders, matrices):
    gatherings = [plan.gatherings[l] if plan.gatherings else None for l in degrees]
    h = [x.flatten(0, 2) if plan.gatherings else x.transpose(1, 2).contiguous() for x in senders]
    sums = Sums(plan.blocks, paths, gatherings)
    hidden = hidden.flatten(0, 1)
    return _Sum.apply(sums, hidden, weight, *h, *matrices)
