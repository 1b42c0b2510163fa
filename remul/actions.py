"""Group elements and how they act on typed fields."""

from collections.abc import Iterable
from math import prod
from typing import TypeVar, cast, get_args

import torch
from torch import Tensor

from remul.checks import check
from remul.constants import constant
from remul.elements import Element, GroupElement, MatrixElement, Permutation
from remul.fields import UNTYPED, Fields, Rep, Types, check_types
from remul.layouts import Layout
from remul.values import shape_of, to_floats

Elements = GroupElement | Iterable[GroupElement]
"""Group elements: one per sample, or several such, each of which acts on all samples.

Example:
    >>> elements: Elements = [SO3.sample(inputs, generator) for _ in range(3)]
"""

G = TypeVar("G", bound=GroupElement)


def act(g: GroupElement, fields: Fields, types: Types) -> Fields:
    """Return the fields after g: rho(g) x for each field x.

    Irreps of degree l and parity p turn with D^l(R), times det(R) where p differs from (-1)^l;
    affine fields are then moved by the translation. Components follow e3nn's real basis, in which
    D^1(R) = R. Scalars, `mask` and indices come back as they are. Neither autocast nor TF32 rounds.

    Args:
        g: Elements, one per sample or one for all; a `Permutation` reorders objects instead, and a
            `MatrixElement` acts on the fields of its spaces.
        fields: Tensors `(batch, ..., dim)` of a floating dtype, which they keep; ragged ones with
            their `batch`, and with `edge_index` if edges are among them.
        types: The type of each field but `mask` and indices.

    Returns:
        Fields of the same names and shapes.

    Raises:
        ValueError: For a field that is missing, undeclared, of the wrong width, or of another batch
            size or number of objects than g, and for integers that would have to turn.

    Example:
        >>> turn = torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])  # a quarter about z
        >>> quarter, x = Element(turn, torch.ones(1, 3)), torch.tensor([[1.0, 0, 0]])
        >>> fields = act(quarter, {"at": x, "to": x}, {"at": POINT, "to": VECTOR})
        >>> fields["at"].tolist(), fields["to"].tolist()
        ([[1.0, 2.0, 1.0]], [[0.0, 1.0, 0.0]])
    """
    check_elements([g])
    check_types(types)
    return transform(g, fields, types, None)


def transform(g: GroupElement, fields: Fields, types: Types, layout: Layout | None) -> Fields:
    """Return the fields after g as `act` does, where they lie as `layout` says."""
    return move(g, fields, types, check(fields, types, layout))


def move(g: GroupElement, fields: Fields, types: Types, layout: Layout) -> Fields:
    """Return the fields after g, where `check` has found them to be what their types say."""
    if len(g) not in (1, layout.size):
        name = next(iter(fields))
        raise ValueError(
            f"field {name!r} has {layout.size} samples, the group element has {len(g)}"
        )
    if isinstance(g, Permutation):
        objects = {name: rep.objects for name, rep in types.items()}
        return layout.permute(fields, objects, g.order)
    wide = {
        name: _widen(name, x)
        for name, x in fields.items()
        if name not in UNTYPED and _moves(g, types[name])
    }
    if not wide:
        return {**fields}
    device = next(iter(wide.values())).device
    with torch.autocast(device.type, enabled=False):
        if isinstance(g, MatrixElement):
            moved = _multiply(g.to(device), wide, types, layout)
        else:
            moved = _turn(g.to(device), wide, types, layout)
    return {name: moved[name].to(x.dtype) if name in moved else x for name, x in fields.items()}


def list_elements(g: G | Iterable[G] | None) -> list[G]:
    """Return the elements one by one; `ValueError` if there is none, or something else."""
    if isinstance(g, Iterable) and not isinstance(g, Tensor):
        elements = list(cast("Iterable[G]", g))
    else:
        elements = [] if g is None else [cast("G", g)]
    if not elements:
        raise ValueError("at least one group element is needed, got none")
    check_elements(elements)
    return elements


def check_elements(
    elements: Iterable[object], kinds: tuple[type, ...] = get_args(GroupElement)
) -> None:
    """Raise `ValueError` for what is no group element, or not of this kind."""
    for g in elements:
        if not isinstance(g, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(
                f"a group element is needed ({wanted}), such as SO3.sample(inputs, generator), "
                f"got a {type(g).__name__}"
            )


def wigner(degree: int, rotation: Tensor) -> Tensor:
    """Return the Wigner matrices D^l(R) of orthogonal matrices R, in e3nn's real basis.

    Built up from D^1(R) = R by D^l = C^T (D^(l-1) x D^1) C with C the Clebsch-Gordan table of
    e3nn, so it is polynomial in R, exact to round-off in any dtype, and differentiable. A
    reflection gives the natural parity (-1)^l.

    Args:
        degree: l, 0 or more.
        rotation: R, `(batch, 3, 3)`; whole numbers count as torch's default floats.

    Returns:
        D^l(R), `(batch, 2 l + 1, 2 l + 1)`, orthogonal.

    Raises:
        ValueError: For a degree below 0, and rotations of another shape.

    Example:
        >>> wigner(2, torch.eye(3)[None]).shape
        torch.Size([1, 5, 5])
    """
    if not isinstance(degree, int) or degree < 0:
        raise ValueError(f"the degree needs to be whole, 0 or more, got {degree!r}")
    if shape_of(rotation)[1:] != (3, 3):
        raise ValueError(f"rotations are (batch, 3, 3), got {tuple(rotation.shape)}")
    block = rotation = to_floats(rotation)
    if degree == 0:
        return torch.ones_like(rotation[:, :1, :1])
    with torch.autocast(rotation.device.type, enabled=False):
        for higher in range(2, degree + 1):
            table = _coupling(higher, rotation.device).to(rotation)
            product = torch.einsum("zac,zbd->zabcd", block, rotation)
            product = product.flatten(3, 4).flatten(1, 2)  # (batch, 3 (2 l - 1), 3 (2 l - 1))
            block = table.mT @ product @ table
    return block


@constant
def _coupling(degree: int, device: torch.device) -> Tensor:
    from e3nn import o3  # brings in the compiler, which takes seconds: only where it is needed

    table = o3.wigner_3j(degree - 1, 1, degree, dtype=torch.float64)
    table = (2 * degree + 1) ** 0.5 * table.flatten(0, 1)
    return table.to(device)  # (3 (2 l - 1), 2 l + 1)


def _moves(g: Element | MatrixElement, rep: Rep) -> bool:
    """Tell whether elements of this kind act on the components of a field."""
    if isinstance(g, MatrixElement):
        return bool(rep.space)
    return any(chunk[1:] != (0, 1) for chunk in rep.chunks)


def _widen(name: str, x: Tensor) -> Tensor:
    """Return a field in the precision in which it moves, whatever that of a network's products."""
    if not x.is_floating_point():
        raise ValueError(f"field {name!r} is {x.dtype}; what moves has to be floating")
    return x.to(torch.promote_types(x.dtype, torch.float64 if x.is_cuda else torch.float32))


def _turn(g: Element, fields: Fields, types: Types, layout: Layout) -> Fields:
    blocks = _wigner_blocks(g.rotation, [types[name] for name in fields])
    cast = {
        dtype: (
            {irrep: block.to(dtype) for irrep, block in blocks.items()},
            g.translation.to(dtype),
        )
        for dtype in {x.dtype for x in fields.values()}
    }
    return {name: _turn_field(x, types[name], *cast[x.dtype], layout) for name, x in fields.items()}


def _wigner_blocks(rotation: Tensor, reps: Iterable[Rep]) -> dict[tuple[int, int], Tensor]:
    needed = {(degree, parity) for rep in reps for _, degree, parity in rep.chunks}
    return {irrep: _wigner_block(*irrep, rotation) for irrep in needed - {(0, 1)}}


def _wigner_block(degree: int, parity: int, rotation: Tensor) -> Tensor:
    block = wigner(degree, rotation)
    if parity == (-1) ** degree:
        return block
    first, second, third = rotation.unbind(1)  # no factorisation, which no CUDA graph can hold
    return block * (torch.linalg.cross(first, second) * third).sum(-1).sign()[:, None, None]


def _turn_field(
    x: Tensor, rep: Rep, blocks: dict[tuple[int, int], Tensor], translation: Tensor, layout: Layout
) -> Tensor:
    widths = [mul * (2 * degree + 1) for mul, degree, _ in rep.chunks]
    parts = [
        part
        if chunk[1:] == (0, 1)
        else _product(layout.spread(blocks[chunk[1:]], rep.objects), part)
        for part, chunk in zip(x.split(widths, -1), rep.chunks, strict=True)
    ]
    turned = torch.cat(parts, -1) if len(parts) > 1 else parts[0]
    if rep.affine:
        turned = turned + _shift(layout.spread(translation, rep.objects), x)
    return turned


def _multiply(g: MatrixElement, fields: Fields, types: Types, layout: Layout) -> Fields:
    moved = {}
    for name, x in fields.items():
        rep, matrix = types[name], g.matrices.get(types[name].space)
        if matrix is None or matrix.shape[-1] != rep.dim:
            there = {space: m.shape[-1] for space, m in g.matrices.items()}
            raise ValueError(
                f"field {name!r} has {rep.dim} components in space {rep.space!r}, "
                f"the group element acts on {there}"
            )
        moved[name] = _product(layout.spread(matrix.to(x), rep.objects), x)
    return moved


def _product(block: Tensor, x: Tensor) -> Tensor:
    """Return D y for each run y of as many components of x as D has columns."""
    width = block.shape[-1]
    copies = x.reshape(len(x), prod(x.shape[1:]) // width, width)  # (rows, copies, 2 l + 1)
    return copies.bmm(block.mT.expand(len(x), width, width)).reshape(x.shape)


def _shift(translation: Tensor, x: Tensor) -> Tensor:
    """Return translations, (rows or 1, 3), of as many points as the last axis of x has."""
    points = x.shape[-1] // 3
    shift = translation if points == 1 else translation.repeat(1, points)
    return shift.view(len(shift), *(1,) * (x.dim() - 2), x.shape[-1])
