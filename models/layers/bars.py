"""Rigid bars between objects: bodies that move as their generalised coordinates do."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.layers.edges import gather_rows
from models.layers.samples import has_cell
from models.layers.search import can_read
from remul.fields import BATCH, MASK, Fields, Signature

TINY = 1e-24  # the least square of a length
Pairs = Sequence[Sequence[int]]


class Bars(nn.Module):
    """Bodies of unit masses on bars between objects, which are known by their place in a sample.

    Raises `ValueError`, naming the model, for bars that are no pairs or close a ring, for a cell,
    and where objects have not one point each.
    """

    members: Tensor
    ends: Tensor
    places: Tensor
    twice: Tensor
    shared: Tensor

    def __init__(self, pairs: Pairs, signature: Signature, model: str) -> None:
        super().__init__()
        _check_points(signature, model)
        index = _read_pairs(pairs, model)
        members, at = index.unique(return_inverse=True)
        identity = torch.eye(len(members), dtype=torch.float64)
        ends = identity[at[:, 1]] - identity[at[:, 0]]  # (bars, m)
        if torch.linalg.matrix_rank(ends) < len(ends):
            raise ValueError(f"{model} takes bars that close no ring, got {pairs}")
        self.last = int(members[-1])
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("ends", ends, persistent=False)
        # Of bars to places about the centre of each body, which are the shortest solution.
        self.register_buffer("places", torch.linalg.pinv(ends), persistent=False)
        twice = 2 * torch.eye(len(ends), dtype=torch.float64)
        self.register_buffer("twice", twice, persistent=False)
        # 1 or -1 of two bars that share an object, as both point to or from it or not.
        self.register_buffer("shared", ends @ ends.mT - twice, persistent=False)
        self.meet = bool(self.shared.any())

    def find(self, inputs: Fields, x: Tensor) -> Tensor:
        """Return the rows of the objects on bars, (samples, m), among those at x, (batch, n, 3).

        Raises `ValueError` where a sample lacks one of them.
        """
        batch, n, _ = x.shape
        counts = self.members.new_full((batch,), n)
        if BATCH in inputs:
            counts = inputs[BATCH].bincount()
            n = int(counts.min()) if len(counts) else n
        if n <= self.last and len(counts):
            raise ValueError(f"a bar ends at object {self.last}, and a sample has {n}, from 0 on")
        rows = (counts.cumsum(0) - counts)[:, None] + self.members
        if MASK in inputs and can_read(x) and not gather_rows(inputs[MASK], rows).all():
            raise ValueError("a bar ends at an object that is padding")
        return rows

    def forward(self, x: Tensor, free: Tensor, rows: Tensor) -> Tensor:
        """Return where objects at x, (batch, n, 3), go that would go to `free` without bars."""
        with torch.autocast(x.device.type, enabled=False):  # lengths are kept in full precision
            dtype = torch.promote_types(x.dtype, torch.float32)
            held = self.swing(*(gather_rows(places, rows).to(dtype) for places in (x, free)))
        held = held.to(free.dtype).flatten(0, 1)
        return free.flatten(0, 1).index_copy(0, rows.flatten(), held).view_as(free)

    def swing(self, x: Tensor, free: Tensor) -> Tensor:
        """Return places of bodies, (samples, m, 3), that are pulled from x to `free`.

        Tensions take out of the pull what stretches bars (d'Alembert). The centre of a body moves
        as is left, and so do the directions of its bars, along great circles.
        """
        ends = self.ends.to(x)
        bars, freed = ends @ x, ends @ free  # (samples, bars, 3)
        lengths = _measure(bars)
        along, pull = bars / lengths, freed - bars
        tension = self.balance(along, (along * pull).sum(-1, keepdim=True)) * along
        turn = pull - ends @ (ends.mT @ tension)
        angles = _measure(turn) / lengths
        turned = angles.cos() * bars + (angles / torch.pi).sinc() * turn
        return free + self.places.to(x) @ (turned - freed)

    def balance(self, along: Tensor, stretch: Tensor) -> Tensor:
        """Return the tensions, (samples, bars, 1), that leave bars of these directions no stretch.

        A tension pulls at both ends of a bar, and along a bar that shares one of them.
        """
        if not self.meet:
            return stretch / 2
        twice, shared = self.twice.to(along), self.shared.to(along)
        return torch.linalg.solve(torch.addcmul(twice, shared, along @ along.mT), stretch)


def _measure(x: Tensor) -> Tensor:
    """Return lengths over the last axis, with a derivative where they are zero, and are not."""
    return x.square().sum(-1, keepdim=True).clamp_min(TINY).sqrt()


def _read_pairs(pairs: Pairs, model: str) -> Tensor:
    try:
        index = torch.tensor(pairs)
    except (TypeError, ValueError, RuntimeError):
        index = torch.empty(0)
    if index.dtype != torch.int64 or index.shape[1:] != (2,) or (index < 0).any():
        raise ValueError(f"{model} takes bars as pairs of objects, such as [[0, 1]], got {pairs}")
    return index


def _check_points(signature: Signature, model: str) -> None:
    if has_cell(signature.inputs):
        raise ValueError(f"{model} has no bars in a cell")
    points = [rep for rep in signature.inputs.values() if rep.affine]
    ends = [rep for rep in signature.outputs.values() if rep.affine and rep.objects]
    if [(rep.dim, rep.objects) for rep in points] != [(3, 1)] or any(r.dim != 3 for r in ends):
        raise ValueError(f"{model} has bars where each object is one point, before and after")
