"""Typed fields: which named tensor is a scalar, a vector, a point or any other irreps."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.utils.data._utils.collate import collate, default_collate_fn_map

MASK = "mask"
IRREP = re.compile(r"\s*((?P<mul>\d+)\s*x\s*)?(?P<degree>\d+)\s*(?P<parity>[eoy])\s*")


def _parse(irreps: str) -> Iterator[tuple[int, int, int]]:
    """Yield (multiplicity, degree, parity) of each term of a sum such as 2x0e+1o."""
    for term in str(irreps).split("+"):
        match = IRREP.fullmatch(term)
        if not match:
            raise ValueError(
                f"unknown irreps {irreps!r}; write them as e3nn does, such as '0e' or '2x0e+1o'"
            )
        degree = int(match["degree"])
        parity = {"e": 1, "o": -1, "y": (-1) ** degree}[match["parity"]]
        yield int(match["mul"] or 1), degree, parity


@dataclass(frozen=True)
class Rep:
    """How the last axis of a field transforms: its irreps, and whether translations act too.

    Args:
        irreps: Irreps of O(3) as e3nn writes them, such as "0e" or "2x0e+1o"; components follow
            its real basis.
        affine: Whether it is a point, which translations move; every irrep must then be 1o.
        objects: What one value belongs to, which networks ask and the action does not: 1 for an
            object, `(batch, n, dim)`, 2 for a pair of them, `(batch, n, n, dim)`, 0 for the whole
            sample, `(batch, dim)`.

    Raises:
        ValueError: For unknown or empty irreps, an affine field not made of 1o, and `objects`
            other than 0, 1 or 2.

    Example:
        >>> Rep("2x0e+1o").dim
        5
    """

    irreps: str
    affine: bool = False
    objects: int = 1

    def __post_init__(self) -> None:
        if self.objects not in (0, 1, 2):
            raise ValueError(f"a value belongs to 0, 1 or 2 objects, not to {self.objects!r}")
        if self.dim == 0:
            raise ValueError(f"irreps {self.irreps!r} have no components")
        if self.affine and any((degree, parity) != (1, -1) for _, degree, parity in self.chunks):
            raise ValueError(f"an affine field consists of 1o alone, not of {self.irreps!r}")

    @cached_property
    def chunks(self) -> tuple[tuple[int, int, int], ...]:
        """The (multiplicity, degree, parity) of each irrep, in the order of the components."""
        return tuple(chunk for chunk in _parse(self.irreps) if chunk[0] > 0)

    @property
    def dim(self) -> int:
        """Number of components."""
        return sum(mul * (2 * degree + 1) for mul, degree, _ in self.chunks)


SCALAR = Rep("0e")
"""The type of a number that no motion changes.

Example:
    >>> SCALAR.chunks  # multiplicity, degree, parity
    ((1, 0, 1),)
"""

VECTOR = Rep("1o")
"""The type of an arrow (x, y, z): rotations and reflections act on it, translations do not.

Example:
    >>> VECTOR.dim
    3
"""

POINT = Rep("1o", affine=True)
"""The type of a place (x, y, z): g acts on it as R x + t.

Example:
    >>> POINT == Rep("1o", affine=True)
    True
"""

Fields = dict[str, Tensor]
"""Tensors by name, each `(batch, ..., dim)`: the last axis holds components, others objects.

Example:
    >>> fields: Fields = {"position": torch.zeros(2, 5, 3), "mass": torch.ones(2, 5, 1)}
"""

Types = Mapping[str, Rep]
"""How each field transforms, by name.

Example:
    >>> types: Types = {"position": POINT, "mass": SCALAR}
"""

Model = Callable[[Fields], Fields]
"""A map from fields to fields: an `nn.Module` or any other callable.

Example:
    >>> model: Model = lambda inputs: {"force": -inputs["position"]}
"""


@dataclass(frozen=True)
class Signature:
    """The types of a model's inputs and outputs by field name.

    Args:
        inputs: Types of the inputs. A field `mask`, `(batch, n, 1)` of 0 and 1, may come along
            without a type: it marks the real objects of padded sets, and no other may be called so.
        outputs: Types of the outputs.

    Raises:
        ValueError: If a side is empty, a type is no `Rep`, or the name `mask` is given to anything
            else.

    Example:
        >>> signature = Signature({"position": POINT, "velocity": VECTOR}, {"position": POINT})
    """

    inputs: Types
    outputs: Types

    def __post_init__(self) -> None:
        if not self.inputs or not self.outputs:
            raise ValueError("a signature needs at least one input field and one output field")
        for name, rep in (*self.inputs.items(), *self.outputs.items()):
            if not isinstance(rep, Rep):
                raise ValueError(f"the type of field {name!r} has to be a Rep, got {rep!r}")
        if self.inputs.get(MASK, SCALAR) != SCALAR or MASK in self.outputs:
            raise ValueError(f"the name {MASK!r} is kept for the input scalar that marks padding")


@dataclass  # not frozen: Lightning casts the fields of a copy in place
class Batch:
    """Inputs and targets of the same samples; an index picks samples of both.

    A `torch.utils.data.DataLoader` takes it as a data set and gives batches of it.

    Args:
        inputs: Fields that the model is given, first axis the batch.
        targets: Fields that it is to predict, first axis the batch.

    Example:
        >>> batch = Batch({"x": torch.zeros(5, 4, 3)}, {"energy": torch.zeros(5, 1)})
        >>> len(batch[:2])
        2
        >>> [len(part) for part in torch.utils.data.DataLoader(batch, batch_size=3)]
        [3, 2]
    """

    inputs: Fields
    targets: Fields

    def __len__(self) -> int:
        return batch_size(self.inputs)

    def __getitem__(self, index: Tensor | slice | int) -> "Batch":
        return self._map(lambda x: x[index])

    def to(self, *args: torch.device | torch.dtype | str) -> "Batch":
        """Return the same samples on another device or in another floating dtype.

        Fields of integers keep their dtype.
        """
        places = [arg for arg in args if not isinstance(arg, torch.dtype)]
        target = {True: args, False: places}  # by whether the field is floating
        return self._map(lambda x: x.to(*to) if (to := target[x.is_floating_point()]) else x)

    def pin_memory(self) -> "Batch":
        """Return the same samples in memory from which a GPU copies without waiting."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        inputs, targets = (
            {k: function(x) for k, x in f.items()} for f in (self.inputs, self.targets)
        )
        return Batch(inputs, targets)


def _collate(samples: Sequence[Batch], *, collate_fn_map: dict | None = None) -> Batch:
    """Return single samples as a batch."""
    sides = ([s.inputs for s in samples], [s.targets for s in samples])
    return Batch(*(collate(list(side), collate_fn_map=collate_fn_map) for side in sides))


default_collate_fn_map[Batch] = _collate  # torch's way to have a type of one's own collated


def batch_size(fields: Fields) -> int:
    """Return the length of the first axis; `ValueError` unless it is one and the same."""
    if not isinstance(fields, Mapping):
        raise ValueError(f"fields are tensors by name, got a {type(fields).__name__}")
    for name, x in fields.items():
        if not isinstance(x, Tensor) or x.dim() == 0:
            raise ValueError(f"field {name!r} has to be a tensor (batch, ..., dim), got {x!r:.40}")
    sizes = {name: len(x) for name, x in fields.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(f"fields need one common batch size of at least 1, got {sizes}")
    return next(iter(sizes.values()))


def zero_padding(fields: Fields, mask: Tensor | None) -> Fields:
    """Return fields with the components of padded objects set to zero.

    `mask` is (batch, n, 1). A field (batch, n, ..., k) is kept where its object is real, a pair
    field, (batch, n, n, k), where both are; one without n objects, such as (batch, k), stays.
    """
    if mask is None:
        return fields
    return {name: torch.where(_real_entries(x, mask), x, 0) for name, x in fields.items()}


def real_fraction(x: Tensor, mask: Tensor | None) -> Tensor | float:
    """Return the share of the entries of one field that belong to real objects."""
    return 1.0 if mask is None else _real_entries(x, mask).expand(x.shape).to(x.dtype).mean()


def _real_entries(x: Tensor, mask: Tensor) -> Tensor:
    """Return which entries are of real objects, to be broadcast; all where x has no objects."""
    real, n = mask.bool(), mask.shape[1]
    if x.shape[1:-1] == (n, n):
        return real[:, :, None] & real[:, None]
    if x.dim() > 2 and x.shape[1] == n:
        return real.view(*real.shape[:2], *(1,) * (x.dim() - 2))
    return real.new_ones(())
