"""What the networks share: fields to features and back, pairs of objects, small MLPs."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from remul.fields import MASK, Fields, Rep, Signature, Types


def mlp(*widths: int, last: bool = False) -> nn.Sequential:
    """Linear layers with SiLU between them, and after the last one too if `last`."""
    layers = [part for pair in pairwise(widths) for part in _dense(*pair)]
    return nn.Sequential(*(layers if last else layers[:-1]))


def _dense(width_in: int, width_out: int) -> tuple[nn.Module, nn.Module]:
    return linear(width_in, width_out), nn.SiLU()


def linear(width_in: int, width_out: int, bias: bool = True) -> nn.Module:
    """`nn.Linear`, or what is left of it when one of the widths is zero."""
    if width_in and width_out:
        return nn.Linear(width_in, width_out, bias)
    return Offset(width_out, bias)


def nearly_zero(net: nn.Sequential) -> nn.Sequential:
    """The same network, its last layer scaled down so that its output starts near zero."""
    with torch.no_grad():
        for parameter in net[-1].parameters():
            parameter.mul_(1e-2)
    return net


class Offset(nn.Module):
    """A linear map without inputs: its bias, zero at first, for every object."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.width = width
        self.bias = nn.Parameter(torch.zeros(width)) if bias and width else None

    def forward(self, x: Tensor) -> Tensor:
        offset = x.new_zeros(self.width) if self.bias is None else self.bias
        return offset.expand(*x.shape[:-1], -1)


def features(types: Types) -> dict[str, Rep]:
    """The fields that carry features: all but the mask."""
    return {name: rep for name, rep in types.items() if name != MASK}


def width(types: Types) -> int:
    """Number of components per object over all fields."""
    return sum(rep.dim for rep in features(types).values())


def check_objects(inputs: Fields, types: Types) -> None:
    """Raises `ValueError` for a field that is not one value per object, (batch, n, dim)."""
    for name in features(types):
        if inputs[name].dim() != 3:
            shape = tuple(inputs[name].shape)
            raise ValueError(f"models take fields (batch, n, dim); field {name!r} is {shape}")


def centroid(inputs: Fields, types: Types) -> Tensor:
    """Mean of all points of the real objects, (batch, 1, 3); the origin where there are none."""
    some = inputs[next(iter(features(types)))]
    points = [inputs[n].unflatten(-1, (-1, 3)) for n, rep in features(types).items() if rep.affine]
    if not points:
        return some.new_zeros(1, 1, 3)
    points = torch.cat(points, 2).mean(2)  # (batch, n, 3)
    return (share(inputs, points) * hide(inputs, points)).sum(1, keepdim=True)


def coordinates(inputs: Fields, types: Types, centre: Tensor) -> Tensor:
    """The first point of each object relative to the centre, (batch, n, 3); zero without points."""
    for name, rep in features(types).items():
        if rep.affine:
            return hide(inputs, inputs[name][..., :3] - centre)
    some = inputs[next(iter(features(types)))]
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
    check_objects(inputs, types)
    parts = [
        inputs[name] - centre.repeat(1, 1, rep.dim // 3) if rep.affine else inputs[name]
        for name, rep in features(types).items()
    ]
    nothing = next(iter(inputs.values()))[..., :0]
    return hide(inputs, torch.cat(parts or [nothing], -1))


def unpack(x: Tensor, types: Types, centre: Tensor) -> Fields:
    """The inverse of `pack` for a network's raw output (batch, n, width)."""
    parts = x.split([rep.dim for rep in types.values()], -1)
    return {
        name: part + centre.repeat(1, 1, rep.dim // 3) if rep.affine else part
        for part, (name, rep) in zip(parts, types.items(), strict=True)
    }


def pair_share(inputs: Fields, like: Tensor) -> Tensor:
    """Weight of object j in a mean over the real others of i, (batch or 1, n, n, 1)."""
    n = like.shape[1]
    others = (1 - torch.eye(n, dtype=like.dtype, device=like.device)).view(1, n, n, 1)
    if MASK in inputs:
        others = others * inputs[MASK].to(like)[:, None]
    return others / others.sum(2, keepdim=True).clamp_min(1)


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


def check_points(signature: Signature, model: str) -> None:
    """Raises `ValueError` for a point among the outputs that no input point could carry along."""
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


def join_degrees(values: dict[int, Tensor], types: Types, starts: Fields) -> Fields:
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
    return fields


def origins(inputs: Fields, signature: Signature) -> Fields:
    """Where each point among the outputs is counted from, (batch, n, dim), by field name.

    That is the input point of the same name and width, else the first input point.
    """
    points = {n: inputs[n] for n, rep in features(signature.inputs).items() if rep.affine}
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
    parts = []
    for name, rep in signature.outputs.items():
        if types.get(name) == rep:
            parts.append(pack(inputs, {name: rep}, centre))
            continue
        for mul, degree, parity in rep.chunks:
            zero = packed.new_zeros(*packed.shape[:2], 2 * degree + 1)
            parts += [first.get((degree, parity), zero)] * mul
    return torch.cat(parts, -1)
