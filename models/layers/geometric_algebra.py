"""The projective geometric algebra G(3,0,1): its linear maps and its products as constant tables.

A multivector is eight blades of space, 1; e1, e2, e3; e23, e31, e12; e123, each without and with e0
to its left: 16 components, (e0, blade). All entries are 0, 1, 1/2 or 2 up to sign, so that float32
holds them exactly.
"""

from functools import cache

import torch
from torch import Tensor

GRADES = torch.tensor([0, 1, 1, 1, 2, 2, 2, 3])
COMPLEMENT = [7, 4, 5, 6, 1, 2, 3, 0]  # the blade that makes e123 with each blade, sign included
MAPS = 18

# Strassen's product of 2 x 2 matrices, entries row by row, and Gauss's of complex numbers.
STRASSEN = tuple(
    torch.tensor([[int(digit) - 1 for digit in row] for row in rows.split()])
    for rows in (
        "2112 1122 2111 1112 2211 0121 1210",
        "2112 2111 1210 0121 1112 2211 1122",
        "2112012 1121211 1212111 2021121",
    )
)  # each digit one more than the number, row by row
GAUSS = (torch.tensor([[1, 0], [0, 1], [1, 1]]), torch.tensor([[1, -1, 0], [-1, -1, 1]]))

Factors = tuple[Tensor, Tensor, Tensor]
PIECE = 1024  # columns at a time, so that on a CPU what lies between stays in the cache


@cache
@torch.inference_mode(False)
def products() -> Factors:
    """Geometric product and join as left, right (2, 63, 16) and result (2, 16, 63).

    Each is the bilinear map of rank 63 `result @ ((left @ a) * (right @ b))`. The join of a and b
    is the blade whose dual is the wedge of their duals; it is the line through two points.
    """
    left, right, result = _with_e0(*_wedge())
    dual = _dual()
    join = left @ dual, right @ dual, dual.mT @ result
    both = zip(_with_e0(*_geometric()), join, strict=True)
    return tuple(torch.stack(pair).float() for pair in both)


class _Multiply(torch.autograd.Function):
    """A bilinear map by its factors; its derivatives are such maps too, so nothing else is kept."""

    generate_vmap_rule = True

    @staticmethod
    def forward(left: Tensor, right: Tensor, result: Tensor, a: Tensor, b: Tensor) -> Tensor:
        size = PIECE if a.device.type == "cpu" else a.shape[-1]
        pieces = zip(a.split(size, -1), b.split(size, -1), strict=True)
        return torch.cat([result @ ((left @ x) * (right @ y)) for x, y in pieces], -1)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ANN001 - torch's own
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN001
        left, right, result, a, b = ctx.saved_tensors
        by_a = multiply(result.mT, right, left.mT, slope, b)
        return None, None, None, by_a, multiply(result.mT, left, right.mT, slope, a)

    @staticmethod
    def jvp(ctx, *slopes: Tensor | None) -> Tensor:  # noqa: ANN001
        *factors, a, b = ctx.saved_tensors
        return multiply(*factors, slopes[-2], b) + multiply(*factors, a, slopes[-1])


def multiply(left: Tensor, right: Tensor, result: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`result @ ((left @ a) * (right @ b))`, which a compiler can cut to pieces by itself."""
    if torch.compiler.is_compiling():
        return result @ ((left @ a) * (right @ b))
    return _Multiply.apply(left, right, result, a, b)


@cache
@torch.inference_mode(False)
def linear_maps() -> Tensor:
    """The equivariant linear maps, (blade, e0 in, e0 out, parity, map), entries 0 and 1.

    For multivectors of one behaviour under reflections there are nine of them: five projections to
    a grade, and four products with e0. Those keep the parity under inversion, but lead from one
    behaviour to the other, as e0 changes sign: hence twice nine.
    """
    maps = torch.zeros(8, 2, 2, 2, MAPS)
    for blade, grade in enumerate(GRADES.tolist()):
        for parity in range(2):
            maps[blade, 0, 0, parity, 5 * parity + grade] = 1
            maps[blade, 1, 1, parity, 5 * (1 - parity) + grade + 1] = 1
            maps[blade, 0, 1, parity, 10 + 4 * parity + grade] = 1
    return maps


def distance_terms(x: Tensor) -> Tensor:
    """Five terms of a trivector whose inner products are squared distances of points.

    With weight w on e123 and place p, |p|^2, w^2 and w p, after scaling both by w / (w^2 + 1e-3).
    """
    weight, place = x[7:, :, :, 0].flip(-2), x[4:7, :, :, 1]  # e0 swaps the parities
    scale = weight / (weight.square() + 1e-3)
    weight, place = weight * scale, place * scale
    return torch.cat([place.square().sum(0, keepdim=True), weight.square(), weight * place])


def distance_partners(terms: Tensor) -> Tensor:
    """The terms of a key, whose inner product with those of a query is less the square."""
    area, weight, place = terms.split([1, 1, 3])
    return torch.cat([-weight, -area, 2 * place])


def _matrices() -> Tensor:
    """The blades of space as Pauli's complex matrices, (blade, 2, 2)."""
    one = torch.eye(2, dtype=torch.complex128)
    x, z = one.flip(0), torch.diag(torch.tensor([1, -1], dtype=torch.complex128))
    y = 1j * x @ z
    return torch.stack([one, x, y, z, 1j * x, 1j * y, 1j * z, 1j * one])


def _entries(matrices: Tensor) -> Tensor:
    return torch.view_as_real(matrices).flatten(-3)  # (..., 8): real and imaginary parts


def _geometric() -> Factors:
    """The geometric product of space, a product of complex 2 x 2 matrices, by rank 21."""
    entries = _entries(_matrices()).mT
    left, right, result = (factor.double().contiguous() for factor in STRASSEN)
    parts, whole = (factor.double() for factor in GAUSS)
    factors = torch.kron(left, parts) @ entries, torch.kron(right, parts) @ entries
    return *factors, entries.mT @ torch.kron(result, whole) / 2


def _wedge() -> Factors:
    """The wedge product of space by rank 21.

    Each pair of blades takes one product, (a_i + a_j) (s b_j + t b_i), less multiples of the eight
    products a_i b_i, which all pairs share.
    """
    blades = _matrices()
    table = _entries(blades[:, None] @ blades) @ _entries(blades).mT / 2  # (left, right, result)
    table = table * (GRADES[:, None, None] + GRADES[:, None] == GRADES)
    one = torch.eye(8, dtype=torch.float64)
    left, right, result = [*one], [*one], [*table.diagonal().mT.clone()]
    for i, j in torch.combinations(torch.arange(8)).tolist():
        if table[i, j].any():
            ij, ji, target = table[i, j].sum(), table[j, i].sum(), table[i, j].abs()
            left.append(one[i] + one[j])
            right.append(ij * one[j] + ji * one[i])
            result.append(target)
            result[i] -= ji * target
            result[j] -= ij * target
    return torch.stack(left), torch.stack(right), torch.stack(result, 1)


def _with_e0(left: Tensor, right: Tensor, result: Tensor) -> Factors:
    """The product of all 16 components: (a + e0 a') (b + e0 b') = a b + e0 (a' b + ~a b').

    ~a is a with its odd grades negated, which e0 does in passing.
    """
    passed, none = left * (-1.0) ** GRADES, torch.zeros_like(left)
    first, second = torch.cat([left, none, passed]), torch.cat([none, left, none])
    other, last = torch.cat([right, right, none]), torch.cat([none, none, right])
    space, beyond = (
        torch.cat([result, none.mT, none.mT], 1),
        torch.cat([none.mT, result, result], 1),
    )
    return torch.cat([first, second], 1), torch.cat([other, last], 1), torch.cat([space, beyond])


def _dual() -> Tensor:
    """The signed permutation to the complement: each blade wedge its dual is e0 e123."""
    dual = torch.zeros(2, 8, 2, 8, dtype=torch.float64)
    for blade, other in enumerate(COMPLEMENT):
        dual[1, other, 0, blade] = (-1) ** GRADES[blade].item()
        dual[0, other, 1, blade] = 1
    return dual.view(16, 16)
