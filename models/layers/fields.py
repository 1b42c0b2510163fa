"""Fields to features and back: what objects, pairs and the whole sample bring to a network."""

import torch
from torch import Tensor

from models.layers.samples import (
    CELL,
    apply_mask,
    as_block,
    block_shape,
    check_ragged,
    from_block,
    has_cell,
    mean_around,
    mean_objects,
    spread,
)
from remul.fields import BATCH, MASK, Fields, Rep, Signature, Types, zero_padding


def object_fields(types: Types) -> dict[str, Rep]:
    """Return the fields of objects and of samples, without the mask and the cell."""
    return {n: rep for n, rep in types.items() if n not in (MASK, CELL) and rep.objects < 2}


def feature_fields(types: Types) -> dict[str, Rep]:
    """Return the fields that an object has features of.

    In a cell these are no points: a place there has no meaning but by the edges.
    """
    points = not has_cell(types)
    return {name: rep for name, rep in object_fields(types).items() if points or not rep.affine}


def width(types: Types) -> int:
    """Return the number of components per object over all features."""
    return sum(rep.dim for rep in feature_fields(types).values())


def pair_fields(types: Types) -> dict[str, Rep]:
    """Return the fields with one value per pair of objects."""
    return {name: rep for name, rep in types.items() if rep.objects == 2}


def pair_width(types: Types) -> int:
    """Return the number of components per pair of objects over all fields."""
    return sum(rep.dim for rep in pair_fields(types).values())


def count_pair_scalars(types: Types, model: str) -> int:
    """Return the number of components per pair where all of them are 0e.

    Raises `ValueError`, naming `model` and the field, for other irreps.
    """
    for name, rep in pair_fields(types).items():
        if any((l, parity) != (0, 1) for _, l, parity in rep.chunks):
            raise ValueError(f"{model} takes 0e of pairs; field {name!r} is {rep.irreps!r}")
    return pair_width(types)


def pack_pairs(inputs: Fields, types: Types) -> Tensor | None:
    """Return the fields of pairs side by side, zero at padding, or None.

    They are (batch, n, n, k), of ragged edges (E, k).
    """
    check_shapes(inputs, pair_fields(types))
    fields = {name: inputs[name] for name in pair_fields(types)}
    return torch.cat([*zero_padding(fields, inputs.get(MASK)).values()], -1) if fields else None


def check_shapes(inputs: Fields, types: Types) -> None:
    """Raise `ValueError` for a field with other axes than its type says."""
    for name, rep in types.items():
        axes = ["batch", *["n"] * rep.objects, "dim"]
        axes = [("batch", "N", "E")[rep.objects], "dim"] if BATCH in inputs else axes
        if inputs[name].dim() != len(axes):
            shape = tuple(inputs[name].shape)
            raise ValueError(f"field {name!r} is {shape}, declared as ({', '.join(axes)})")


def broadcast_to_objects(inputs: Fields, types: Types) -> Fields:
    """Return the fields of objects and of samples, each (batch, n, dim).

    What belongs to the whole sample is the same for each of its objects. Raises `ValueError` for
    other axes than the types say, and where no field tells the number of objects.
    """
    fields = object_fields(types)
    check_shapes(inputs, fields)
    n = block_shape(inputs)[1]
    return {
        name: as_block(inputs, inputs[name])
        if rep.objects
        else spread(inputs, inputs[name]).expand(-1, n, -1)
        for name, rep in fields.items()
    }


def centroid(inputs: Fields, types: Types) -> Tensor:
    """Return the mean of all points of real objects, (batch, n or 1, 3), or the origin without any.

    In a cell, which has no centre, it is the first point of each object itself. Every network asks
    for it first: raises `ValueError` for ragged fields that do not fit.
    """
    check_ragged(inputs, types)
    fields = broadcast_to_objects(inputs, types)
    points = [x for name, x in fields.items() if types[name].affine]
    if not points:
        return max(fields.values(), key=Tensor.is_floating_point).new_zeros(1, 1, 3)
    if has_cell(types):
        return apply_mask(inputs, points[0][..., :3])
    means = mean_around(inputs, torch.cat(points, -1))  # (batch, n or 1, points * 3)
    return means.unflatten(-1, (-1, 3)).mean(2)


def coordinates(inputs: Fields, types: Types, centre: Tensor) -> Tensor:
    """Return the first point of each object, (batch, n, 3), or zero without points.

    It is taken from the centre, but in a cell from the origin.
    """
    fields = broadcast_to_objects(inputs, types)
    for name, x in fields.items():
        if types[name].affine:
            return apply_mask(inputs, x[..., :3] if has_cell(types) else x[..., :3] - centre)
    return centre.new_zeros(*block_shape(inputs), 3)


def pack(inputs: Fields, types: Types, centre: Tensor) -> Tensor:
    """Return all features side by side, points from the centre, padding zero: (batch, n, width)."""
    fields = broadcast_to_objects(inputs, types)
    parts = [
        fields[name] - torch.cat([centre] * (rep.dim // 3), -1) if rep.affine else fields[name]
        for name, rep in feature_fields(types).items()
    ]
    empty = [] if parts else [centre.new_zeros(*block_shape(inputs), 0)]
    return apply_mask(inputs, torch.cat(parts or empty, -1))


def unpack(inputs: Fields, x: Tensor, types: Types, centre: Tensor) -> Fields:
    """Return the output fields of a network's raw output (batch, n, width): `pack` inverted."""
    parts = x.split([rep.dim for rep in types.values()], -1)
    fields = {
        name: part + torch.cat([centre] * (rep.dim // 3), -1) if rep.affine else part
        for part, (name, rep) in zip(parts, types.items(), strict=True)
    }
    return pool(inputs, fields, types)


def pool(inputs: Fields, fields: Fields, types: Types) -> Fields:
    """Return the output fields of those of objects in blocks, (batch, n, dim).

    Those of the whole sample are averages over the real objects.
    """
    return {
        name: from_block(inputs, x) if types[name].objects else mean_objects(inputs, x)
        for name, x in fields.items()
    }


def multiplicities(types: Types, lmax: int, model: str) -> dict[int, int]:
    """Return how many irreps of each l up to `lmax` the fields hold together.

    Raises `ValueError`, naming `model`, for a higher l or a parity other than (-1)^l.
    """
    muls = dict.fromkeys(range(lmax + 1), 0)
    for name, rep in feature_fields(types).items():
        for mul, l, parity in rep.chunks:
            if l > lmax or parity != (-1) ** l:
                allowed = ", ".join(f"{l}{'eo'[l % 2]}" for l in muls)
                raise ValueError(f"{model} takes {allowed}; field {name!r} is {rep.irreps!r}")
            muls[l] += mul
    return muls


def has_points(types: Types) -> bool:
    """Tell whether a field is a point, without which all objects are at one place."""
    return any(rep.affine for rep in types.values())


def check_outputs(signature: Signature, model: str) -> None:
    """Raise `ValueError`, naming `model`, for outputs of pairs, and for places of whole cells."""
    for name in pair_fields(signature.outputs):
        raise ValueError(f"{model} has no outputs for pairs; field {name!r} is one")
    for name, rep in signature.outputs.items():
        if has_cell(signature.inputs) and rep.affine and not rep.objects:
            raise ValueError(f"a cell has no middle; field {name!r} is a point of the whole sample")


def refuse_cell(signature: Signature, model: str) -> None:
    """Raise `ValueError`, naming `model`, for a cell among the inputs."""
    if has_cell(signature.inputs):
        raise ValueError(f"{model} takes places from a centre, and a cell has none; leave it out")


def check_points(signature: Signature, model: str) -> None:
    """Raise `ValueError` as `check_outputs`, for points without one, and what turns of scalars."""
    check_outputs(signature, model)
    points = [name for name, rep in signature.outputs.items() if rep.affine]
    if points and not has_points(signature.inputs):
        raise ValueError(f"{model} needs a point among the inputs to place the point {points[0]!r}")
    sides = (signature.inputs, signature.outputs)
    given, made = ([k for k, r in side.items() if any(l for _, l, _ in r.chunks)] for side in sides)
    if made and not given:
        raise ValueError(f"{model} cannot make {made[0]!r}, which turns, of scalars alone")


def split_irreps(packed: Tensor, types: Types) -> list[tuple[Tensor, int, int, int]]:
    """Return the irreps of `pack`, each (batch, n, mul (2 l + 1)) with its mul, l and parity."""
    chunks = [chunk for rep in feature_fields(types).values() for chunk in rep.chunks]
    parts = packed.split([mul * (2 * l + 1) for mul, l, _ in chunks], -1)
    return [(part, *chunk) for part, chunk in zip(parts, chunks, strict=True)]


def split_by_l(inputs: Fields, types: Types, centre: Tensor, lmax: int) -> dict[int, Tensor]:
    """Return all irreps of one l side by side, (batch, n, mul, 2 l + 1), by l.

    Points count as vectors from the centre; padded objects are zero.
    """
    packed = pack(inputs, types, centre)
    parts = {l: [packed.new_zeros(*packed.shape[:2], 0, 2 * l + 1)] for l in range(lmax + 1)}
    for part, mul, l, _ in split_irreps(packed, types):
        parts[l].append(part.unflatten(-1, (mul, 2 * l + 1)))
    return {l: torch.cat(tensors, 2) for l, tensors in parts.items()}


def join_by_l(inputs: Fields, values: dict[int, Tensor], types: Types, starts: Fields) -> Fields:
    """Return the fields of irreps by l, each point moved from `starts`: `split_by_l` inverted."""
    queues = {l: iter(x.unbind(2)) for l, x in values.items()}
    fields = {}
    for name, rep in types.items():
        parts = [next(queues[l]) for mul, l, _ in rep.chunks for _ in range(mul)]
        fields[name] = torch.cat(parts, -1) + starts.get(name, 0)
    return pool(inputs, fields, types)


def origins(inputs: Fields, signature: Signature) -> Fields:
    """Return where each point among the outputs starts from, (batch, n, dim), by field name.

    That is the input point of the same name and width, else the first input point.
    """
    fields = broadcast_to_objects(inputs, signature.inputs)
    points = {name: x for name, x in fields.items() if signature.inputs[name].affine}
    first = next(iter(points.values()), torch.empty(0))[..., :3]
    return {
        name: apply_mask(inputs, points[name])
        if signature.inputs.get(name) == rep
        else apply_mask(inputs, first).repeat(1, 1, rep.dim // 3)
        for name, rep in signature.outputs.items()
        if rep.affine
    }
