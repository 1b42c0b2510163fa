"""Typed fields: which named tensor is a scalar, a vector, a point or any other e3nn irreps."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

import torch
from e3nn import o3
from torch import Tensor

MASK = "mask"


def _parse(irreps: str) -> tuple[tuple[int, int, int], ...]:
    try:
        return tuple((mul, ir.l, ir.p) for mul, ir in o3.Irreps(irreps) if mul > 0)
    except (ValueError, AttributeError, TypeError):
        raise ValueError(
            f"unknown irreps {irreps!r}; write them as e3nn does, such as '0e' or '2x0e+1o'"
        ) from None


@dataclass(frozen=True)
class Rep:
    """How the last axis of a field transforms: e3nn irreps, and whether translations act too.

    `affine` is for points: every irrep must then be 1o. `objects` tells networks what one value
    belongs to: 1 for an object, (batch, n, dim), 2 for a pair of them, (batch, n, n, dim), 0 for
    the whole sample, (batch, dim); the action is the same. Raises `ValueError` for unknown or empty
    irreps, for an affine field that is not made of 1o and for another number of objects.
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
        return _parse(self.irreps)

    @property
    def dim(self) -> int:
        """Number of components."""
        return sum(mul * (2 * degree + 1) for mul, degree, _ in self.chunks)


SCALAR = Rep("0e")
VECTOR = Rep("1o")
POINT = Rep("1o", affine=True)

Fields = dict[str, Tensor]
Types = Mapping[str, Rep]


@dataclass(frozen=True)
class Signature:
    """The types of a model's inputs and outputs by field name.

    The input field `mask`, (batch, n, 1) of 0 and 1, marks the real objects of padded sets. It
    needs no type, and none of the other fields may be called so.
    """

    inputs: Types
    outputs: Types

    def __post_init__(self) -> None:
        if not self.inputs or not self.outputs:
            raise ValueError("a signature needs at least one input field and one output field")
        if self.inputs.get(MASK, SCALAR) != SCALAR or MASK in self.outputs:
            raise ValueError(f"the name {MASK!r} is kept for the input scalar that marks padding")


@dataclass(frozen=True)
class Batch:
    """Inputs and targets of the same samples, first axis the batch."""

    inputs: Fields
    targets: Fields

    def __len__(self) -> int:
        return batch_size(self.inputs)

    def __getitem__(self, index: Tensor | slice) -> "Batch":
        return self._map(lambda x: x[index])

    def to(self, *args: torch.device | torch.dtype | str) -> "Batch":
        """The same samples on another device or in another floating dtype; integers stay so."""
        places = [arg for arg in args if not isinstance(arg, torch.dtype)]
        wanted = {True: args, False: places}
        return self._map(lambda x: x.to(*to) if (to := wanted[x.is_floating_point()]) else x)

    def _map(self, function) -> "Batch":  # noqa: ANN001 - any Tensor -> Tensor
        inputs, targets = (
            {k: function(x) for k, x in f.items()} for f in (self.inputs, self.targets)
        )
        return Batch(inputs, targets)


def batch_size(fields: Fields) -> int:
    """Length of the first axis, the same in every field."""
    sizes = {name: len(x) for name, x in fields.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(f"fields need one common batch size of at least 1, got {sizes}")
    return next(iter(sizes.values()))


def declared(fields: Fields, types: Types) -> Fields:
    """The fields that have a type, whatever else there is; `ValueError` if one is missing."""
    if not isinstance(fields, Mapping):
        raise ValueError(f"the model gives a {type(fields).__name__}, not a dict of fields")
    missing = ", ".join(sorted(types.keys() - fields.keys()))
    if missing:
        there = ", ".join(sorted(fields))
        raise ValueError(f"field {missing!r} is not predicted; the model gives {there}")
    return {name: fields[name] for name in types}


def check(fields: Fields, types: Types) -> None:
    """Raises `ValueError`, naming the field, for fields that are not what their types say.

    That is: a field undeclared, missing, of the wrong width or of another batch size, a mask that
    is not (batch, n, 1), or an empty batch.
    """
    _check_names(fields.keys() - {MASK}, types.keys() - {MASK})
    batch_size(fields)
    _check_mask(fields)
    for name, x in fields.items():
        if name in types and x.shape[-1] != types[name].dim:
            raise ValueError(
                f"field {name!r} has {x.shape[-1]} components, "
                f"{types[name].irreps!r} has {types[name].dim}"
            )


def check_numbers(fields: Fields, mask: Tensor | None) -> None:
    """Raises `ValueError` for a NaN in a real object, naming the field.

    Looks where that costs next to nothing: on a CPU, outside `torch.compile` and `vmap`.
    """
    for name, x in fields.items():
        if has_nan(x) and has_nan(zero_padding({name: x}, mask)[name]):
            raise ValueError(f"field {name!r} holds a NaN")


def _check_mask(fields: Fields) -> None:
    if MASK not in fields:
        return
    shape = tuple(fields[MASK].shape)
    numbers = {x.shape[1] for name, x in fields.items() if name != MASK and x.dim() > 2}
    if len(shape) != 3 or shape[2] != 1 or (numbers and shape[1] not in numbers):
        raise ValueError(
            f"field {MASK!r} is {shape}; it has to be (batch, n, 1), with the n of the objects"
        )


def _check_names(found: Set[str], declared: Set[str]) -> None:
    wrong = [f"field {name!r} is missing" for name in sorted(declared - found)]
    wrong += [f"field {name!r} has no declared type" for name in sorted(found - declared)]
    if wrong:
        raise ValueError(f"{'; '.join(wrong)}; declared are {', '.join(sorted(declared))}")


def has_nan(x: Tensor) -> bool:
    """Whether a tensor holds a NaN, as far as its values are at hand."""
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return False
    try:
        return bool(x.isnan().any())
    except RuntimeError:  # under `torch.func.vmap` a tensor has no truth value
        return False


def zero_padding(fields: Fields, mask: Tensor | None) -> Fields:
    """Fields with the components of padded objects set to zero.

    `mask` is (batch, n, 1). A field (batch, n, ..., k) is kept where its object is real, a pair
    field, (batch, n, n, k), where both are; one without n objects, such as (batch, k), stays.
    """
    if mask is None:
        return fields
    return {name: torch.where(_real(x, mask), x, 0) for name, x in fields.items()}


def real_fraction(x: Tensor, mask: Tensor | None) -> Tensor | float:
    """Share of the entries of one field that belong to real objects."""
    return 1.0 if mask is None else _real(x, mask).expand(x.shape).to(x.dtype).mean()


def _real(x: Tensor, mask: Tensor) -> Tensor:
    """Which entries of a field are of real objects, to be broadcast; all where it has none."""
    real, n = mask.bool(), mask.shape[1]
    if x.shape[1:-1] == (n, n):
        return real[:, :, None] & real[:, None]
    if x.dim() > 2 and x.shape[1] == n:
        return real.view(*real.shape[:2], *(1,) * (x.dim() - 2))
    return real.new_ones(())
