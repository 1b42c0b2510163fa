"""Do the fields of a data set turn with its points? Samples alike in shape tell."""

from math import comb, cos, radians

import torch
from torch import Tensor

from remul import Batch, Element, Rep, Signature, act
from remul.fields import BATCH, MASK, Types
from remul.groups import octahedral

SYMMETRY_SAMPLES = 300
TURNED_DEG = 20.0  # pairs turned by less say nothing
MINIMUM_PAIRS = 8  # informative ones
CERTAIN = 1e-3  # chance of so lopsided a count if turning made no difference


def fields_that_turn(data: Batch, signature: Signature) -> dict[str, bool | None] | None:
    """Return for each field above l = 0, points aside, whether it turns; None if data cannot tell.

    Nor can ragged or padded data, and those without points, tell of any field: None altogether.

    Each of the first samples is paired with the one nearest to it in shape, by the best rotation
    of its points (Kabsch). A field that turns is nearer to its partner's once it is turned along.
    A sign test over the pairs decides. Objects have to come in a fixed order, or in few orders.
    A vector that other axes explain better than its own does not turn either, whatever the pairs.
    """
    types = {**signature.inputs, **signature.outputs}
    points = [name for name, rep in signature.inputs.items() if rep.affine and rep.objects == 1]
    if not points or {MASK, BATCH} & data.inputs.keys():
        return None
    data = data[:SYMMETRY_SAMPLES].to(torch.float64)
    fields = {**data.inputs, **data.targets}
    x = data.inputs[points[0]][..., :3]
    centre = x.mean(1, keepdim=True)
    partner, rotation = _nearest(x - centre)
    there = _angle_cos(rotation) < cos(radians(TURNED_DEG))
    g = Element(rotation, torch.zeros(len(x), 3, dtype=x.dtype))
    turning = {}
    for name, rep in types.items():
        if name == points[0] and name not in signature.outputs:
            continue
        if any(degree for _, degree, _ in rep.chunks):
            value = data.targets[name] if name in signature.outputs else fields[name]
            if rep.affine:
                value = value - centre.repeat(1, 1, rep.dim // 3)
            turning[name] = _turns(value, partner, g, {name: rep}, there)
            if rep.dim == 3 and rep.objects == 1 and value.shape == x.shape:
                others = [v for k, v in data.inputs.items() if k != name and v.shape == x.shape]
                if _has_other_axes(value, _vectors_of(x - centre, others)):
                    turning[name] = False
    return turning


def _nearest(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each cloud the one nearest to it up to a rotation, and the rotation (n, 3, 3)."""
    cross = torch.einsum("imk,jml->ijkl", x, x)
    left, values, right = torch.linalg.svd(cross)
    proper = torch.linalg.det(left @ right).sign()
    values = torch.cat([values[..., :2], values[..., 2:] * proper[..., None, None].squeeze(-1)], -1)
    size = x.square().sum((1, 2))
    apart = size[:, None] + size[None] - 2 * values.sum(-1)
    partner = apart.fill_diagonal_(torch.inf).argmin(1)
    rows = torch.arange(len(x))
    left, right, proper = left[rows, partner], right[rows, partner], proper[rows, partner]
    flip = torch.diag_embed(torch.stack([torch.ones_like(proper)] * 2 + [proper], -1))
    return partner, (left @ flip @ right).mT


def _angle_cos(rotation: Tensor) -> Tensor:
    return (rotation.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2


def _turns(value: Tensor, partner: Tensor, g: Element, types: Types, there: Tensor) -> bool | None:
    """Return whether turning the field along mostly brings it nearer to the partner's."""
    (turned,) = act(g, dict.fromkeys(types, value), _vectors(types)).values()
    other = value[partner]
    along, still = ((v - other).flatten(1).norm(dim=1)[there] for v in (turned, value))
    differs = (along - still).abs() > 1e-9 * (along + still)
    total, nearer = int(differs.sum()), int((along < still)[differs].sum())
    if total < MINIMUM_PAIRS or _tail(max(nearer, total - nearer), total) > CERTAIN:
        return None
    return 2 * nearer > total


def _vectors_of(x: Tensor, others: list[Tensor]) -> Tensor:
    """Vectors that turn with the points, of which a field may be made: (samples, n, 3, vectors)."""
    apart = x[:, None] - x[:, :, None]  # (samples, n, n, 3), from each object to the others
    distance = apart.norm(dim=-1, keepdim=True)
    distance = distance / distance.mean().clamp(min=torch.finfo(x.dtype).tiny)
    pulls = [(apart / distance.clamp(min=0.05) ** power).sum(2) for power in (1, 2, 3)]
    return torch.stack([x, *pulls, *(v - v.mean(1, keepdim=True) for v in others)], -1)


def _has_other_axes(value: Tensor, vectors: Tensor) -> bool:
    """Whether a field of vectors is made of them more nearly once its axes are exchanged.

    That is: in one of the orders and directions of the axes, all of which but a sign the fit takes
    up are rotations of the octahedron, more samples are nearer to a fit than as they are.
    """
    turns = torch.cat([g.rotation for g in octahedral.elements()])  # the identity first
    turned = torch.einsum("gab,snb->snag", turns, value - value.mean(1, keepdim=True))
    columns = vectors.flatten(0, 2)
    fit = columns @ torch.linalg.pinv(columns) @ turned.flatten(0, 2)
    off = (fit.view_as(turned) - turned).flatten(1, 2).norm(dim=1)  # (samples, rotations)
    nearer = (off[:, 1:] < (1 - 1e-9) * off[:, :1]).sum(0).max().item()
    return 2 * nearer > len(off) and _tail(nearer, len(off)) < CERTAIN / len(turns)


def _vectors(types: Types) -> Types:
    """Return the types without translations, which the fields have lost with their centre."""
    return {name: Rep(rep.irreps, objects=rep.objects) for name, rep in types.items()}


def _tail(most: int, total: int) -> float:
    """Return the probability that one of two equally likely sides has `most` of `total` or more."""
    return min(1.0, 2 * sum(comb(total, k) for k in range(most, total + 1)) / 2**total)
