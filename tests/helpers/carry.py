"""The exactly equivariant map without parameters: what comes in goes out."""

import torch
from torch import Tensor

from models.layers.fields import feature_fields, pack, split_irreps
from remul.fields import Fields, Signature


def carry(inputs: Fields, signature: Signature, centre: Tensor) -> Tensor:
    """Return the outputs of an exactly equivariant map without parameters: (batch, n, width).

    An output field is the input of its name and type. Without one, each of its irreps is the first
    such irrep among the inputs, points counting as vectors from the centre, or else zero.
    """
    types = signature.inputs
    packed = pack(inputs, types, centre)
    first: dict[tuple[int, int], Tensor] = {}
    for part, _, degree, parity in split_irreps(packed, types):
        first.setdefault((degree, parity), part[..., : 2 * degree + 1])
    widths = [rep.dim for rep in feature_fields(types).values()]
    fields = dict(zip(feature_fields(types), packed.split(widths, -1), strict=True))
    parts = []
    for name, rep in signature.outputs.items():
        if types.get(name) == rep:
            parts.append(fields[name])
            continue
        for mul, degree, parity in rep.chunks:
            zero = packed.new_zeros(*packed.shape[:2], 2 * degree + 1)
            parts += [first.get((degree, parity), zero)] * mul
    return torch.cat(parts, -1)
