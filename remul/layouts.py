"""How fields lie over samples: in blocks of one size, padded or not, or as ragged rows.

`Dense` and `Ragged` answer the same questions; losses and measures ask them and not which it is.
What a value belongs to, `objects`, is that of its `Rep`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from remul.fields import BATCH, EDGE_INDEX, MASK, SHIFT, UNTYPED, Fields, check_fields, keep_real
from remul.indices import check_indices
from remul.rows import Rows
from remul.values import holds

Index = Tensor | slice | int
Objects = Mapping[str, int]  # of each field; those left out belong to one object
KINDS = ("samples", "objects", "edges")
COUNTS = {  # by how much an index of the next part is higher
    BATCH: lambda part: part[BATCH][-1] + 1,
    EDGE_INDEX: lambda part: len(part[BATCH]),
}


@dataclass(frozen=True, eq=False)
class Dense:
    """Blocks: the first axis of each field counts samples, and a mask marks the real objects."""

    size: int
    mask: Tensor | None = None

    def count(self, objects: int) -> int:
        """Return the length of the first axis of a field."""
        return self.size

    def describe(self, objects: int) -> str:
        """Return what the first axis of a field counts."""
        return f"{self.size} samples"

    def allows(self, shape: Sequence[int], objects: int) -> bool:
        """Tell whether a field has the axes of its objects, as many as the mask has."""
        axes = [*shape[1:-1]]
        if objects == 0 or not axes:
            return objects < 2 and not axes
        n = axes[0] if self.mask is None else self.mask.shape[1]
        return axes[:objects] == [n] * objects

    def spread(self, values: Tensor, objects: int) -> Tensor:
        """Return values of each sample, or one for all, such that they broadcast over a field."""
        return values

    def rows(self, samples: Tensor, objects: int) -> Tensor:
        """Return the places of some samples on the first axis of a field."""
        return samples

    def pad(self, x: Tensor, objects: int) -> Tensor:
        """Return a field as blocks, one for each sample, zero where there is no object."""
        return keep_real(x, self.mask, objects)

    def real(self, fields: Fields) -> Tensor:
        """Return which objects of the blocks there are, (batch, n)."""
        counts = [x.shape[1] for x in fields.values() if x.dim() > 2]
        if not counts:
            raise ValueError(f"no field has objects to permute; there are {', '.join(fields)}")
        if self.mask is not None:
            return self.mask[..., 0].bool()
        return torch.ones(self.size, counts[0], dtype=torch.bool, device="cpu")

    def take(self, fields: Fields, objects: Objects, index: Index) -> Fields:
        """Return some of the samples, a single one without its axis."""
        return {name: x[index] for name, x in fields.items()}

    def permute(self, fields: Fields, objects: Objects, order: Tensor) -> Fields:
        """Return the fields with their objects in another order, (batch or 1, n)."""
        return {
            name: self._reorder(name, x, objects.get(name, 1), order.to(x.device))
            for name, x in fields.items()
        }

    def _reorder(self, name: str, x: Tensor, objects: int, order: Tensor) -> Tensor:
        if objects == 0 or x.dim() == 2:
            return x
        axes = x.shape[1 : 1 + objects]
        if {*axes} != {order.shape[1]}:
            raise ValueError(
                f"field {name!r} has objects {tuple(axes)}, the permutation is of {order.shape[1]}"
            )
        sample = torch.arange(len(x), device=x.device)[:, None]
        if objects == 1:
            return x[sample, order]
        return x[sample[:, :, None], order[:, :, None], order[:, None]]


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows: `batch` says of which sample each object is, `edge_index` which two an edge joins."""

    batch: Tensor
    edge_index: Tensor | None = None

    def is_of(self, fields: Fields) -> bool:
        """Tell whether these are the indices of some fields."""
        return self.batch is fields.get(BATCH) and self.edge_index is fields.get(EDGE_INDEX)

    @cached_property
    def size(self) -> int:
        """Number of samples."""
        return int(self.batch[-1]) + 1 if len(self.batch) else 0

    @cached_property
    def kinds(self) -> dict[int, Rows]:
        """The rows of the fields of samples, objects and edges."""
        samples = torch.arange(self.size, device=self.batch.device)
        rows = {0: Rows(samples, self.size), 1: Rows(self.batch, self.size)}
        if self.edge_index is not None:
            rows[2] = Rows(self.batch[self.edge_index[0]], self.size)
        return rows

    def count(self, objects: int) -> int:
        """Return the number of rows of a field; `ValueError` for edges where there are none."""
        if objects == 2 and self.edge_index is None:
            raise ValueError(f"fields of edges need {EDGE_INDEX!r}, int64 (2, E), among the inputs")
        edges = 0 if self.edge_index is None else self.edge_index.shape[1]
        return self.size if objects == 0 else (len(self.batch), edges)[objects - 1]

    def describe(self, objects: int) -> str:
        """Return what the rows of a field are."""
        return f"{self.count(objects)} {KINDS[objects]}"

    def allows(self, shape: Sequence[int], objects: int) -> bool:
        """Tell whether a field has the axes of its objects: one of samples no further ones."""
        return objects > 0 or len(shape) == 2

    def spread(self, values: Tensor, objects: int) -> Tensor:
        """Return values of each sample, or one for all, such that they broadcast over a field."""
        return values if len(values) == 1 else values[self.kinds[objects].sample]

    def rows(self, samples: Tensor, objects: int) -> Tensor:
        """Return the rows of some samples, one sample after another."""
        return self.kinds[objects].of(samples)

    def pad(self, x: Tensor, objects: int) -> Tensor:
        """Return a field as blocks, one for each sample, zero where there is no object."""
        return self.kinds[objects].pad(x)

    def real(self, fields: Fields) -> Tensor:
        """Return which objects of the blocks there are, (batch, n)."""
        counts = self.kinds[1].counts
        return torch.arange(self.kinds[1].most, device=counts.device) < counts[:, None]

    def take(self, fields: Fields, objects: Objects, index: Index) -> Fields:
        """Return some of the samples, numbered from 0 on."""
        every = self.kinds[0].sample
        samples = every[index.to(every.device) if isinstance(index, Tensor) else index].view(-1)
        counts = {kind: rows.counts[samples] for kind, rows in self.kinds.items()}
        taken = {}
        if BATCH in fields:
            numbers = torch.arange(len(samples), device=every.device)
            taken[BATCH] = numbers.repeat_interleave(counts[1])
        if EDGE_INDEX in fields:
            moves = counts[1].cumsum(0) - counts[1] - self.kinds[1].starts[samples]
            old = fields[EDGE_INDEX][:, self.rows(samples, 2)]
            taken[EDGE_INDEX] = old + moves.repeat_interleave(counts[2])
        objects = {**objects, SHIFT: 2}
        for name in fields.keys() - taken.keys():
            self._check_length(name, len(fields[name]), objects.get(name))
            taken[name] = fields[name][self.rows(samples, objects.get(name, 1))]
        return {name: taken[name] for name in fields}

    def _check_length(self, name: str, length: int, objects: int | None) -> None:
        """Raise `ValueError` for a length that does not fit, or, undeclared, fits two kinds."""
        kind = 1 if objects is None else objects
        if length != self.count(kind):
            hint = "; name it in objects=, 0 for a sample, 2 for an edge" * (objects is None)
            raise ValueError(f"field {name!r} has length {length} for {self.describe(kind)}{hint}")
        either = objects is None and 2 in self.kinds and length == self.count(2)
        if either and holds(self.kinds[2].sample != self.batch):
            raise ValueError(
                f"field {name!r} may be of {self.describe(1)} or of {self.describe(2)}; "
                "name it in objects=, 1 for an object, 2 for an edge"
            )

    def permute(self, fields: Fields, objects: Objects, order: Tensor) -> Fields:
        """Return the fields with their objects in another order, (batch or 1, n).

        Edges keep their rows; `edge_index` names their objects anew.
        """
        rows = self.kinds[1]
        if order.shape[1] != rows.most:
            raise ValueError(
                f"field {BATCH!r} has samples of up to {rows.most} objects, "
                f"the permutation is of {order.shape[1]}"
            )
        order = order.to(self.batch.device).expand(self.size, -1)[self.batch, rows.places]
        if holds(order >= rows.counts[self.batch]):
            raise ValueError(f"the permutation takes objects out of their sample of {BATCH!r}")
        source = rows.starts[self.batch] + order
        target = source.argsort()
        moved = {n for n in fields if n not in UNTYPED and objects.get(n, 1) == 1}
        return {
            name: x[source] if name in moved else target[x] if name == EDGE_INDEX else x
            for name, x in fields.items()
        }


Layout = Dense | Ragged


def layout_of(fields: Fields) -> Layout:
    """Return how fields lie over samples; `ValueError` for fields that lie in no one way."""
    check_fields(fields)
    check_indices(fields)
    if BATCH in fields:
        return Ragged(fields[BATCH], fields.get(EDGE_INDEX))
    sizes = {name: len(x) for name, x in fields.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(f"fields need one common batch size of at least 1, got {sizes}")
    return Dense(next(iter(sizes.values())), fields.get(MASK))


def batch_size(fields: Fields) -> int:
    """Return the number of samples; `ValueError` as `layout_of`."""
    return layout_of(fields).size


def join(parts: Sequence[Fields]) -> Fields:
    """Return the samples of all parts as those of one batch; its indices count on."""
    joint = {}
    for name in parts[0]:
        pieces = [part[name] for part in parts]
        if name in COUNTS:
            starts = accumulate((COUNTS[name](part) for part in parts), initial=0)
            pieces = [piece + start for piece, start in zip(pieces, starts, strict=False)]
        joint[name] = torch.cat(pieces, -1 if name == EDGE_INDEX else 0)
    return joint
