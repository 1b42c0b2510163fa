"""Typed fields: which named tensor is a scalar, a vector, a point or any other irreps."""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

MASK = "mask"
BATCH, EDGE_INDEX, SHIFT = "batch", "edge_index", "shift"
INDICES = (BATCH, EDGE_INDEX, SHIFT)
UNTYPED = {MASK, *INDICES}  # fields that say how the others lie, and come without a type
IRREP = re.compile(r"\s*((?P<mul>\d+)\s*x\s*)?(?P<degree>\d+)\s*(?P<parity>[eoy])\s*")


def _parse(irreps: str) -> Iterator[tuple[int, int, int]]:
    """Yield (multiplicity, degree, parity) of each term of a sum such as 2x0e+1o."""
    for term in irreps.split("+"):
        match = IRREP.fullmatch(term)
        if not match:
            raise ValueError(
                f"unknown irreps {irreps!r}; write them as e3nn does, such as '0e' or '2x0e+1o'"
            )
        degree = int(match["degree"])
        parity = {"e": 1, "o": -1, "y": (-1) ** degree}[match["parity"]]
        yield int(match["mul"] or 1), degree, parity


@dataclass(frozen=True, eq=False)
class Rep:
    """How the last axis of a field transforms: its irreps, and whether translations act too.

    Two that transform alike are equal, whatever their irreps are written as.

    Args:
        irreps: Irreps of O(3) as e3nn writes them, such as "0e" or "2x0e+1o"; components follow
            its real basis.
        affine: Whether it is a point, which translations move; every irrep must then be 1o.
        objects: What one value belongs to: 1 for an object, `(batch, n, dim)` or ragged
            `(N, dim)`; 2 for a pair of them, `(batch, n, n, dim)`, or an edge, `(E, dim)`; 0 for
            the whole sample, `(batch, dim)`. A cell is `Rep("3x1o", objects=0)`, its rows the
            lattice vectors.
        space: Where a group that is no motion acts on the components, by the name that its
            `MatrixGroup` or `PlanarGroup` gives it; such groups leave a field without one alone.

    Raises:
        ValueError: For unknown or empty irreps, an affine field not made of 1o, and `objects`
            other than 0, 1 or 2.

    Example:
        >>> Rep("2x0e+1o").dim
        5
        >>> Rep("1x1o") == VECTOR
        True
    """

    irreps: str
    affine: bool = False
    objects: int = 1
    space: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "irreps", str(self.irreps))
        if self.objects not in (0, 1, 2):
            raise ValueError(f"a value belongs to 0, 1 or 2 objects, not to {self.objects!r}")
        if self.dim == 0:
            raise ValueError(f"irreps {self.irreps!r} have no components")
        if self.affine and any((degree, parity) != (1, -1) for _, degree, parity in self.chunks):
            raise ValueError(f"an affine field consists of 1o alone, not of {self.irreps!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rep) and self._action == other._action

    def __hash__(self) -> int:
        return hash(self._action)

    @cached_property
    def _action(self) -> tuple[Hashable, ...]:
        runs = groupby(self.chunks, lambda chunk: chunk[1:])  # 1o+1o is 2x1o
        copies = tuple((irrep, sum(mul for mul, *_ in run)) for irrep, run in runs)
        return copies, self.affine, self.objects, self.space

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

Samples of different size are padded to one, and `mask`, `(batch, n, 1)` of 0 and 1, marks the real
objects; or they are ragged. Then `batch`, `(N,)`, says of which sample each of all objects is, in
order, and fields are `(N, ..., dim)`. `edge_index`, `(2, E)`, may come along, the sender and the
receiver of each edge, and `shift`, `(E, 3)`, by how many cells the sender is moved. These three are
int64 and no motion changes them: positions wrap nowhere.

Example:
    >>> fields: Fields = {"position": torch.zeros(2, 5, 3), "mass": torch.ones(2, 5, 1)}
    >>> ragged: Fields = {"position": torch.zeros(7, 3), "batch": torch.tensor([0] * 5 + [1] * 2)}
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
        inputs: Types of the inputs. Fields `mask`, or `batch`, `edge_index` and `shift`, come along
            without a type where samples differ in size (see `Fields`): no other may be called so.
        outputs: Types of the outputs.

    Raises:
        ValueError: If a side is empty or no mapping, a type is no `Rep`, or one of these names is
            given to anything else.

    Example:
        >>> signature = Signature({"position": POINT, "velocity": VECTOR}, {"position": POINT})
    """

    inputs: Types
    outputs: Types

    def __post_init__(self) -> None:
        for types in (self.inputs, self.outputs):
            check_types(types)
        if not self.inputs or not self.outputs:
            raise ValueError("a signature needs at least one input field and one output field")
        if self.inputs.get(MASK, SCALAR) != SCALAR or MASK in self.outputs:
            raise ValueError(f"the name {MASK!r} is kept for the input scalar that marks padding")
        for name in {*INDICES} & {*self.inputs, *self.outputs}:
            raise ValueError(f"the name {name!r} is kept for indices, which have no type")


def check_types(types: object) -> None:
    """Raise `ValueError` for what is no mapping of names to types."""
    if not isinstance(types, Mapping):
        kind = type(types).__name__
        raise ValueError(f"types are Reps by field name, such as signature.inputs, got a {kind}")
    for name, rep in types.items():
        if not isinstance(rep, Rep):
            raise ValueError(f"the type of field {name!r} has to be a Rep, got {rep!r}")


def check_fields(fields: object) -> None:
    """Raise `ValueError` for what is no mapping of names to tensors with an axis."""
    if not isinstance(fields, Mapping):
        raise ValueError(f"fields are tensors by name, got a {type(fields).__name__}")
    for name, x in fields.items():
        if not isinstance(x, Tensor) or x.dim() == 0:
            kind = "number" if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"field {name!r} has to be a tensor (batch, ..., dim), got a {kind}")


def zero_padding(fields: Fields, mask: Tensor | None) -> Fields:
    """Return fields with the components of padded objects set to zero.

    `mask` is (batch, n, 1). A field (batch, n, ..., k) is kept where its object is real, a pair
    field, (batch, n, n, k), where both are; one without n objects, such as (batch, k), stays.
    """
    return {name: keep_real(x, mask) for name, x in fields.items()}


def keep_real(x: Tensor, mask: Tensor | None, objects: int | None = None) -> Tensor:
    """Return one field with the components of padded objects set to zero."""
    return x if mask is None else torch.where(real_entries(x, mask, objects), x, 0)


def real_entries(x: Tensor, mask: Tensor, objects: int | None = None) -> Tensor:
    """Return which entries are of real objects, to be broadcast; all where x has no objects.

    `objects` is that of the type of x; without one it is told from the shape.
    """
    real, n = mask.bool(), mask.shape[1]
    if objects is None:
        objects = 2 if x.shape[1:-1] == (n, n) else int(n in x.shape[1:2])
    if objects == 0 or x.dim() == 2:
        return real.new_ones(())
    real = real[:, :, None] & real[:, None] if objects == 2 else real  # (batch, n, (n,) 1)
    return real.view(*real.shape[:-1], *(1,) * (x.dim() + 1 - real.dim()))
