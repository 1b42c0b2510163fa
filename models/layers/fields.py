"""Fields to features and back: what an object, a pair and the whole sample bring to a network."""

import torch
from torch import Tensor

from remul.fields import MASK, Fields, Rep, Signature, Types, zero_padding


def features(types: Types) -> dict[str, Rep]:
    """The fields that an object has features of: all but the mask and the fields of pairs."""
    return {name: rep for name, rep in types.items() if name != MASK and rep.objects < 2}


def width(types: Types) -> int:
    """Number of components per object over all fields."""
    return sum(rep.dim for rep in features(types).values())


def pair_fields(types: Types) -> dict[str, Rep]:
    """The fields with one value per pair of objects."""
    return {name: rep for name, rep in types.items() if rep.objects == 2}


def pair_width(types: Types) -> int:
    """Number of components per pair of objects over all fields."""
    return sum(rep.dim for rep in pair_fields(types).values())


def pair_scalars(types: Types, model: str) -> int:
    """The same where they are all 0e; else raises `ValueError`, naming `model` and the field."""
    for name, rep in pair_fields(types).items():
        if any((degree, parity) != (0, 1) for _, degree, parity in rep.chunks):
            raise ValueError(f"{model} takes 0e of pairs; field {name!r} is {rep.irreps!r}")
    return pair_width(types)


def pairs(inputs: Fields, types: Types) -> Tensor | None:
    """All fields of pairs side by side, (batch, n, n, k), zero at padding; None without any."""
    there = {name: inputs[name] for name in pair_fields(types)}
    check_shapes(there, types)
    return torch.cat([*zero_padding(there, inputs.get(MASK)).values()], -1) if there else None


def check_shapes(inputs: Fields, types: Types) -> None:
    """Raises `ValueError` for a field with other axes than its type says."""
    for name, x in inputs.items():
        if x.dim() != types[name].objects + 2:
            wanted = ", ".join(["batch", *["n"] * types[name].objects, "dim"])
            raise ValueError(f"field {name!r} is {tuple(x.shape)}, declared as ({wanted})")


def spread(inputs: Fields, types: Types) -> Fields:
    """The fields that an object has features of, each (batch, n, dim).

    What belongs to the whole sample is the same for each of its objects. Raises `ValueError` for
    other axes than the types say, and where no field tells the number of objects.
    """
    fields = {name: inputs[name] for name in features(types)}
    check_shapes(fields, types)
    n = next((x.shape[1] for x in inputs.values() if x.dim() > 2), None)
    if n is None:
        raise ValueError("models need an input field with a value for each object, (batch, n, dim)")
    return {
        name: x if types[name].objects else x[:, None].expand(-1, n, -1)
        for name, x in fields.items()
    }


def centroid(inputs: Fields, types: Types) -> Tensor:
    """Mean of all points of the real objects, (batch, 1, 3); the origin where there are none."""
    fields = spread(inputs, types)
    points = [x for name, x in fields.items() if types[name].affine]
    if not points:
        return next(iter(inputs.values())).new_zeros(1, 1, 3)
    points = hide(inputs, torch.cat(points, -1))  # (batch, n, points 3)
    middle = (share(inputs, points) * points).sum(1)
    return middle.unflatten(-1, (-1, 3)).mean(1, keepdim=True)


def coordinates(inputs: Fields, types: Types, centre: Tensor) -> Tensor:
    """The first point of each object relative to the centre, (batch, n, 3); zero without points."""
    fields = spread(inputs, types)
    for name, x in fields.items():
        if types[name].affine:
            return hide(inputs, x[..., :3] - centre)
    some = next(iter(fields.values()))
    return some.new_zeros(*some.shape[:2], 3)


def share(inputs: Fields, like: Tensor) -> Tensor:
    """Weight of each object in a mean over the real ones, (batch or 1, n, 1)."""
    if MASK not in inputs:
        return like.new_full((1, like.shape[1], 1), 1 / like.shape[1])
    mask = inputs[MASK].to(like)
    return mask / mask.sum(1, keepdim=True).clamp_min(1)


def hide(inputs: Fields, x: Tensor) -> Tensor:
    """Per-object values (batch, n, k) with whatever stands in padded objects set to zero."""
    return x if MASK not in inputs else torch.where(inputs[MASK].bool(), x, 0)


def pack(inputs: Fields, types: Types, centre: Tensor) -> Tensor:
    """All fields side by side, points relative to the centre: (batch, n, width)."""
    parts = [
        x - torch.cat([centre] * (x.shape[-1] // 3), -1) if types[name].affine else x
        for name, x in spread(inputs, types).items()
    ]
    nothing = next(x for x in inputs.values() if x.dim() == 3)[..., :0]
    return hide(inputs, torch.cat(parts or [nothing], -1))


def unpack(inputs: Fields, x: Tensor, types: Types, centre: Tensor) -> Fields:
    """The inverse of `pack` for a network's raw output (batch, n, width)."""
    parts = x.split([rep.dim for rep in types.values()], -1)
    fields = {
        name: part + torch.cat([centre] * (rep.dim // 3), -1) if rep.affine else part
        for part, (name, rep) in zip(parts, types.items(), strict=True)
    }
    return pooled(inputs, fields, types)


def pooled(inputs: Fields, fields: Fields, types: Types) -> Fields:
    """Fields per object; those of the whole sample become their mean over the real objects."""
    return {
        name: x if types[name].objects else (share(inputs, x) * hide(inputs, x)).sum(1)
        for name, x in fields.items()
    }


def copies(types: Types, max_degree: int, model: str) -> dict[int, int]:
    """How many irreps of each degree up to `max_degree` the fields hold together.

    Raises `ValueError` for a higher degree or a parity other than (-1)^l, naming `model`.
    """
    count = dict.fromkeys(range(max_degree + 1), 0)
    for name, rep in features(types).items():
        for mul, degree, parity in rep.chunks:
            if degree > max_degree or parity != (-1) ** degree:
                allowed = ", ".join(f"{d}{'eo'[d % 2]}" for d in count)
                raise ValueError(f"{model} takes {allowed}; field {name!r} is {rep.irreps!r}")
            count[degree] += mul
    return count


def check_outputs(signature: Signature, model: str) -> None:
    """Raises `ValueError`, naming `model`, for a field of pairs among the outputs."""
    for name in pair_fields(signature.outputs):
        raise ValueError(f"{model} has no outputs for pairs; field {name!r} is one")


def check_points(signature: Signature, model: str) -> None:
    """The same, and for a point among the outputs that no input point could carry along."""
    check_outputs(signature, model)
    points = [name for name, rep in signature.outputs.items() if rep.affine]
    if points and not any(rep.affine for rep in signature.inputs.values()):
        raise ValueError(f"{model} needs a point among the inputs to place the point {points[0]!r}")


def split_degrees(
    inputs: Fields, types: Types, centre: Tensor, max_degree: int
) -> dict[int, Tensor]:
    """All irreps of one degree side by side, (batch, n, copies, 2 l + 1), by degree.

    Points count as vectors from the centre; padded objects are zero.
    """
    packed = pack(inputs, types, centre)
    parts = {d: [packed.new_zeros(*packed.shape[:2], 0, 2 * d + 1)] for d in range(max_degree + 1)}
    chunks = [chunk for rep in features(types).values() for chunk in rep.chunks]
    widths = [mul * (2 * degree + 1) for mul, degree, _ in chunks]
    for part, (mul, degree, _) in zip(packed.split(widths, -1), chunks, strict=True):
        parts[degree].append(part.unflatten(-1, (mul, 2 * degree + 1)))
    return {degree: torch.cat(found, 2) for degree, found in parts.items()}


def join_degrees(inputs: Fields, values: dict[int, Tensor], types: Types, starts: Fields) -> Fields:
    """The inverse of `split_degrees`, each point counted from its place in `starts`."""
    queues = {degree: x.unbind(2) for degree, x in values.items()}
    taken = dict.fromkeys(values, 0)
    fields = {}
    for name, rep in types.items():
        parts = []
        for mul, degree, _ in rep.chunks:
            parts += queues[degree][taken[degree] : taken[degree] + mul]
            taken[degree] += mul
        fields[name] = torch.cat(parts, -1) + starts.get(name, 0)
    return pooled(inputs, fields, types)


def origins(inputs: Fields, signature: Signature) -> Fields:
    """Where each point among the outputs is counted from, (batch, n, dim), by field name.

    That is the input point of the same name and width, else the first input point.
    """
    fields = spread(inputs, signature.inputs)
    points = {name: x for name, x in fields.items() if signature.inputs[name].affine}
    first = next(iter(points.values()), torch.empty(0))[..., :3]
    return {
        name: hide(inputs, points[name])
        if signature.inputs.get(name) == rep
        else hide(inputs, first).repeat(1, 1, rep.dim // 3)
        for name, rep in signature.outputs.items()
        if rep.affine
    }


def carry(inputs: Fields, signature: Signature, centre: Tensor) -> Tensor:
    """An exactly equivariant map without parameters, packed as outputs: (batch, n, width).

    An output field is the input of its name and type. Without one, each of its irreps is the first
    of its kind among the inputs, points counting as vectors from the centre, or else zero.
    """
    types = signature.inputs
    packed = pack(inputs, types, centre)
    chunks = [chunk for rep in features(types).values() for chunk in rep.chunks]
    widths = [mul * (2 * degree + 1) for mul, degree, _ in chunks]
    first: dict[tuple[int, int], Tensor] = {}
    for part, (_, degree, parity) in zip(packed.split(widths, -1), chunks, strict=True):
        first.setdefault((degree, parity), part[..., : 2 * degree + 1])
    widths = [rep.dim for rep in features(types).values()]
    fields = dict(zip(features(types), packed.split(widths, -1), strict=True))
    parts = []
    for name, rep in signature.outputs.items():
        if types.get(name) == rep:
            parts.append(fields[name])
            continue
        for mul, degree, parity in rep.chunks:
            zero = packed.new_zeros(*packed.shape[:2], 2 * degree + 1)
            parts += [first.get((degree, parity), zero)] * mul
    return torch.cat(parts, -1)
