"""Fields to features and back: what objects, pairs and the whole sample bring to a network."""

import torch
from torch import Tensor

from remul.fields import MASK, Fields, Rep, Signature, Types, zero_padding


def object_fields(types: Types) -> dict[str, Rep]:
    """Return the fields that an object has features of: all but the mask and those of pairs."""
    return {name: rep for name, rep in types.items() if name != MASK and rep.objects < 2}


def width(types: Types) -> int:
    """Return the number of components per object over all fields."""
    return sum(rep.dim for rep in object_fields(types).values())


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
    """Return the fields of pairs side by side, (batch, n, n, k), zero at padding, or None."""
    fields = {name: inputs[name] for name in pair_fields(types)}
    check_shapes(fields, types)
    return torch.cat([*zero_padding(fields, inputs.get(MASK)).values()], -1) if fields else None


def check_shapes(inputs: Fields, types: Types) -> None:
    """Raise `ValueError` for a field with other axes than its type says."""
    for name, x in inputs.items():
        if x.dim() != types[name].objects + 2:
            axes = ", ".join(["batch", *["n"] * types[name].objects, "dim"])
            raise ValueError(f"field {name!r} is {tuple(x.shape)}, declared as ({axes})")


def broadcast_to_objects(inputs: Fields, types: Types) -> Fields:
    """Return the fields that an object has features of, each (batch, n, dim).

    What belongs to the whole sample is the same for each of its objects. Raises `ValueError` for
    other axes than the types say, and where no field tells the number of objects.
    """
    fields = {name: inputs[name] for name in object_fields(types)}
    check_shapes(fields, types)
    n = next((x.shape[1] for x in inputs.values() if x.dim() > 2), None)
    if n is None:
        raise ValueError("models need an input field with a value for each object, (batch, n, dim)")
    return {
        name: x if types[name].objects else x[:, None].expand(-1, n, -1)
        for name, x in fields.items()
    }


def centroid(inputs: Fields, types: Types) -> Tensor:
    """Return the mean of all points of real objects, (batch, 1, 3), or the origin without any."""
    fields = broadcast_to_objects(inputs, types)
    points = [x for name, x in fields.items() if types[name].affine]
    if not points:
        return next(iter(inputs.values())).new_zeros(1, 1, 3)
    points = apply_mask(inputs, torch.cat(points, -1))  # (batch, n, points * 3)
    means = (mean_weights(inputs, points) * points).sum(1)
    return means.unflatten(-1, (-1, 3)).mean(1, keepdim=True)


def coordinates(inputs: Fields, types: Types, centre: Tensor) -> Tensor:
    """Return the first point of each object from the centre, (batch, n, 3); zero without points."""
    fields = broadcast_to_objects(inputs, types)
    for name, x in fields.items():
        if types[name].affine:
            return apply_mask(inputs, x[..., :3] - centre)
    x = next(iter(fields.values()))
    return x.new_zeros(*x.shape[:2], 3)


def mean_weights(inputs: Fields, x: Tensor) -> Tensor:
    """Return the weights of the objects in a mean over the real ones, (batch or 1, n, 1)."""
    if MASK not in inputs:
        return x.new_full((1, x.shape[1], 1), 1 / max(1, x.shape[1]))
    mask = inputs[MASK].to(x)
    return mask / mask.sum(1, keepdim=True).clamp_min(1)


def apply_mask(inputs: Fields, x: Tensor) -> Tensor:
    """Return values per object, (batch, n, k), set to zero where the object is padding."""
    return x if MASK not in inputs else torch.where(inputs[MASK].bool(), x, 0)


def pack(inputs: Fields, types: Types, centre: Tensor) -> Tensor:
    """Return all fields side by side, points from the centre, padding zero: (batch, n, width)."""
    parts = [
        x - torch.cat([centre] * (x.shape[-1] // 3), -1) if types[name].affine else x
        for name, x in broadcast_to_objects(inputs, types).items()
    ]
    empty = next(x for x in inputs.values() if x.dim() == 3)[..., :0]
    return apply_mask(inputs, torch.cat(parts or [empty], -1))


def unpack(inputs: Fields, x: Tensor, types: Types, centre: Tensor) -> Fields:
    """Return the output fields of a network's raw output (batch, n, width): `pack` inverted."""
    parts = x.split([rep.dim for rep in types.values()], -1)
    fields = {
        name: part + torch.cat([centre] * (rep.dim // 3), -1) if rep.affine else part
        for part, (name, rep) in zip(parts, types.items(), strict=True)
    }
    return pool(inputs, fields, types)


def pool(inputs: Fields, fields: Fields, types: Types) -> Fields:
    """Return the fields with those of the whole sample averaged over the real objects."""
    return {
        name: x if types[name].objects else (mean_weights(inputs, x) * apply_mask(inputs, x)).sum(1)
        for name, x in fields.items()
    }


def multiplicities(types: Types, lmax: int, model: str) -> dict[int, int]:
    """Return how many irreps of each l up to `lmax` the fields hold together.

    Raises `ValueError`, naming `model`, for a higher l or a parity other than (-1)^l.
    """
    muls = dict.fromkeys(range(lmax + 1), 0)
    for name, rep in object_fields(types).items():
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
    """Raise `ValueError`, naming `model`, for a field of pairs among the outputs."""
    for name in pair_fields(signature.outputs):
        raise ValueError(f"{model} has no outputs for pairs; field {name!r} is one")


def check_points(signature: Signature, model: str) -> None:
    """Raise `ValueError` as `check_outputs`, and for output points without an input point."""
    check_outputs(signature, model)
    points = [name for name, rep in signature.outputs.items() if rep.affine]
    if points and not has_points(signature.inputs):
        raise ValueError(f"{model} needs a point among the inputs to place the point {points[0]!r}")


def split_irreps(packed: Tensor, types: Types) -> list[tuple[Tensor, int, int, int]]:
    """Return the irreps of `pack`, each (batch, n, mul (2 l + 1)) with its mul, l and parity."""
    chunks = [chunk for rep in object_fields(types).values() for chunk in rep.chunks]
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


def carry(inputs: Fields, signature: Signature, centre: Tensor) -> Tensor:
    """Return the outputs of an exactly equivariant map without parameters: (batch, n, width).

    An output field is the input of its name and type. Without one, each of its irreps is the first
    such irrep among the inputs, points counting as vectors from the centre, or else zero.
    """
    types = signature.inputs
    packed = pack(inputs, types, centre)
    first: dict[tuple[int, int], Tensor] = {}
    for part, _, l, parity in split_irreps(packed, types):
        first.setdefault((l, parity), part[..., : 2 * l + 1])
    widths = [rep.dim for rep in object_fields(types).values()]
    fields = dict(zip(object_fields(types), packed.split(widths, -1), strict=True))
    parts = []
    for name, rep in signature.outputs.items():
        if types.get(name) == rep:
            parts.append(fields[name])
            continue
        for mul, l, parity in rep.chunks:
            zero = packed.new_zeros(*packed.shape[:2], 2 * l + 1)
            parts += [first.get((l, parity), zero)] * mul
    return torch.cat(parts, -1)
