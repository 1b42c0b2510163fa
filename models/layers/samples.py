"""How objects lie over samples: in blocks of one size, or ragged, one sample after another.

Networks work on blocks (batch, n, width) alone. Ragged objects are one block to them, (1, N,
width); what concerns a sample, its sums and its own fields, goes through the functions here.
"""

import torch
from torch import Tensor

from remul.checks import check
from remul.fields import BATCH, INDICES, MASK, UNTYPED, Fields, Rep, Types

CELL, LATTICE = "cell", Rep("3x1o", objects=0)


def has_cell(types: Types) -> bool:
    """Tell whether samples repeat in a cell; `ValueError` if that has another type."""
    if types.get(CELL, LATTICE) != LATTICE:
        raise ValueError(f"field {CELL!r} has to be {LATTICE}, got {types[CELL]}")
    return CELL in types


def check_ragged(inputs: Fields, types: Types) -> None:
    """Raise `ValueError` that names the field where ragged fields or indices do not fit."""
    if any(name in inputs for name in INDICES):  # which a compiler can follow
        check({name: x for name, x in inputs.items() if name in {*types, *UNTYPED}}, types)


def block_shape(inputs: Fields) -> tuple[int, int]:
    """Return the number of blocks and of objects in each.

    Raises `ValueError` where no field tells the number of objects.
    """
    if BATCH in inputs:
        return 1, len(inputs[BATCH])
    for x in inputs.values():
        if x.dim() > 2:
            return x.shape[0], x.shape[1]
    raise ValueError("models need an input field with a value for each object, (batch, n, dim)")


def as_block(inputs: Fields, x: Tensor) -> Tensor:
    """Return values of objects as blocks: (batch, n, ...) as it is, (N, ...) to (1, N, ...)."""
    return x.unsqueeze(0) if BATCH in inputs else x


def from_block(inputs: Fields, x: Tensor) -> Tensor:
    """Return values of objects as the inputs have them: `as_block` inverted."""
    return x.squeeze(0) if BATCH in inputs else x


def spread(inputs: Fields, x: Tensor) -> Tensor:
    """Return values of samples, (samples, width), so that they broadcast over blocks."""
    return x[inputs[BATCH]].unsqueeze(0) if BATCH in inputs else x[:, None]


def sum_objects(inputs: Fields, x: Tensor) -> Tensor:
    """Return the sums over the objects of each sample: (batch, n, width) to (samples, width)."""
    if BATCH not in inputs:
        return x.sum(1)
    count = count_samples(inputs)  # on a line of its own, as a compiler leaves the graph here
    return x.new_zeros(count, x.shape[-1]).index_add(0, inputs[BATCH], x[0])


def max_objects(inputs: Fields, x: Tensor) -> Tensor:
    """Return the largest of each sample, spread over its objects; without gradient if ragged."""
    if BATCH not in inputs:
        return x.amax(1, keepdim=True)
    count = count_samples(inputs)
    largest = x.new_full((count, *x.shape[2:]), -torch.inf)
    index = inputs[BATCH].view(-1, *[1] * (x.dim() - 2)).expand_as(x[0])
    return spread(inputs, largest.scatter_reduce(0, index, x[0].detach(), "amax"))


def number_samples(inputs: Fields, x: Tensor) -> Tensor:
    """Return the sample of each object of x, (batch, n, ...), one after the other: (batch n,)."""
    if BATCH in inputs:
        return inputs[BATCH]
    batch, n = x.shape[:2]
    return torch.arange(batch, device=x.device).repeat_interleave(n)


def count_samples(inputs: Fields) -> int:
    """Return the number of samples of ragged fields."""
    return int(inputs[BATCH][-1]) + 1 if len(inputs[BATCH]) else 0


def mean_weights(inputs: Fields, x: Tensor) -> Tensor:
    """Return the weights of the objects in a mean over the real ones, (batch or 1, n, 1)."""
    if BATCH in inputs:
        counts = inputs[BATCH].bincount()
        return (1 / counts.to(x))[inputs[BATCH]].view(1, -1, 1)
    if MASK not in inputs:
        return x.new_full((1, x.shape[1], 1), 1 / max(1, x.shape[1]))
    mask = inputs[MASK].to(x)
    return mask / mask.sum(1, keepdim=True).clamp_min(1)


def mean_objects(inputs: Fields, x: Tensor) -> Tensor:
    """Return means over the real objects of each sample: (batch, n, width) to (samples, width)."""
    return sum_objects(inputs, mean_weights(inputs, x) * apply_mask(inputs, x))


def mean_around(inputs: Fields, x: Tensor) -> Tensor:
    """Return the mean of each object's sample over its real objects: (batch, n or 1, width)."""
    if BATCH in inputs:
        return spread(inputs, mean_objects(inputs, x))
    x = apply_mask(inputs, x)
    return (mean_weights(inputs, x) * x).sum(1, keepdim=True)


def apply_mask(inputs: Fields, x: Tensor) -> Tensor:
    """Return values per object, (batch, n, k), set to zero where the object is padding."""
    return x if MASK not in inputs else torch.where(inputs[MASK].bool(), x, 0)
