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
CHUNK = 1024  # columns at a time, so that on a CPU what lies between stays in the cache


@cache
@torch.inference_mode(False)
def product_factors() -> Factors:
    """Return geometric product and join as left, right (2, 63, 16) and result (2, 16, 63).

    Each is the bilinear map of rank 63 `result @ ((left @ a) * (right @ b))`. The join of a and b
    is the blade whose dual is the wedge of their duals; it is the line through two points.
    """
    left, right, result = _add_e0(*_geometric_product())
    wedge_left, wedge_right, wedge_result = _add_e0(*_wedge_product())
    dual = _dual()
    return (
        torch.stack([left, wedge_left @ dual]).float(),
        torch.stack([right, wedge_right @ dual]).float(),
        torch.stack([result, dual.mT @ wedge_result]).float(),
    )


class _Multiply(torch.autograd.Function):
    """A bilinear map by its factors; its derivatives are such maps too, so nothing else is kept."""

    generate_vmap_rule = True

    @staticmethod
    def forward(left: Tensor, right: Tensor, result: Tensor, a: Tensor, b: Tensor) -> Tensor:
        size = CHUNK if a.device.type == "cpu" else a.shape[-1]
        chunks = zip(a.split(size, -1), b.split(size, -1), strict=True)
        return torch.cat([result @ ((left @ x) * (right @ y)) for x, y in chunks], -1)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ANN001 - torch's own
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN001
        left, right, result, a, b = ctx.saved_tensors
        grad = grad.to(a.dtype)  # autocast makes products of another
        grad_a = multiply(result.mT, right, left.mT, grad, b)
        return None, None, None, grad_a, multiply(result.mT, left, right.mT, grad, a)

    @staticmethod
    def jvp(ctx, *tangents: Tensor | None) -> Tensor:  # noqa: ANN001
        *factors, a, b = ctx.saved_tensors
        return multiply(*factors, tangents[-2], b) + multiply(*factors, a, tangents[-1])


def multiply(left: Tensor, right: Tensor, result: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return `result @ ((left @ a) * (right @ b))`, which a compiler can cut to chunks itself."""
    left, right, result = (factor.to(a.dtype) for factor in (left, right, result))
    if torch.compiler.is_compiling():
        return result @ ((left @ a) * (right @ b))
    return _Multiply.apply(left, right, result, a, b)


@cache
@torch.inference_mode(False)
def linear_maps() -> Tensor:
    """Return the equivariant linear maps, (blade, e0 in, e0 out, parity, map), entries 0 and 1.

    For multivectors of one behaviour under reflections there are nine of them: five projections to
    a grade, and four products with e0. Those keep the parity under inversion, but lead from one
    behaviour to the other, as e0 changes sign: hence twice nine.
    """
    maps = torch.zeros(8, 2, 2, 2, MAPS, dtype=torch.float32)
    for blade, grade in enumerate(GRADES.tolist()):
        for parity in range(2):
            maps[blade, 0, 0, parity, 5 * parity + grade] = 1
            maps[blade, 1, 1, parity, 5 * (1 - parity) + grade + 1] = 1
            maps[blade, 0, 1, parity, 10 + 4 * parity + grade] = 1
    return maps


def distance_query(x: Tensor) -> Tensor:
    """Return the five terms of trivectors for distance-aware attention, phi of the GATr paper.

    Of multivectors (8 blades, objects, groups, e0, parity, channels) with weight w on e123 and
    place p these are |p|^2, w^2 and w p, after scaling both by w / (w^2 + 1e-3).
    """
    w, p = x[7:, :, :, 0].flip(-2), x[4:7, :, :, 1]  # e0 swaps the parities
    scale = w / (w.square() + 1e-3)
    w, p = w * scale, p * scale
    return torch.cat([p.square().sum(0, keepdim=True), w.square(), w * p])


def distance_key(phi: Tensor) -> Tensor:
    """Return psi of the same points: <phi(q), psi(k)> is minus the squared distance of q and k."""
    squared_p, squared_w, w_p = phi.split([1, 1, 3])
    return torch.cat([-squared_w, -squared_p, 2 * w_p])


def _pauli_matrices() -> Tensor:
    """Return the blades of space as complex matrices, (8, 2, 2)."""
    identity = torch.eye(2, dtype=torch.complex128)
    x, z = identity.flip(0), torch.diag(torch.tensor([1, -1], dtype=torch.complex128))
    y = 1j * x @ z
    return torch.stack([identity, x, y, z, 1j * x, 1j * y, 1j * z, 1j * identity])


def _real_entries(matrices: Tensor) -> Tensor:
    return torch.view_as_real(matrices).flatten(-3)  # (..., 8): real and imaginary parts


def _geometric_product() -> Factors:
    """Return the geometric product of space, one of complex 2 x 2 matrices, by rank 21."""
    entries = _real_entries(_pauli_matrices()).mT
    left, right, result = (factor.double().contiguous() for factor in STRASSEN)
    parts, whole = (factor.double() for factor in GAUSS)
    factors = torch.kron(left, parts) @ entries, torch.kron(right, parts) @ entries
    return *factors, entries.mT @ torch.kron(result, whole) / 2


def _wedge_product() -> Factors:
    """Return the wedge product of space by rank 21.

    Each pair of blades takes one product, (a_i + a_j) (s b_j + t b_i), less multiples of the eight
    products a_i b_i, which all pairs share.
    """
    blades = _pauli_matrices()
    products = _real_entries(blades[:, None] @ blades)
    table = products @ _real_entries(blades).mT / 2  # (left, right, result)
    table = table * (GRADES[:, None, None] + GRADES[:, None] == GRADES)
    basis = torch.eye(8, dtype=torch.float64)
    left, right, result = [*basis], [*basis], [*table.diagonal().mT.clone()]
    for i, j in torch.combinations(torch.arange(8)).tolist():
        if table[i, j].any():
            s, t, target = table[i, j].sum(), table[j, i].sum(), table[i, j].abs()
            left.append(basis[i] + basis[j])
            right.append(s * basis[j] + t * basis[i])
            result.append(target)
            result[i] -= t * target
            result[j] -= s * target
    return torch.stack(left), torch.stack(right), torch.stack(result, 1)


def _add_e0(left: Tensor, right: Tensor, result: Tensor) -> Factors:
    """Return the product of all 16 components, given that of the eight without e0.

    (a + e0 a') (b + e0 b') = a b + e0 (a' b + ~a b'), in this order; ~a is a with its odd grades
    negated, which e0 does in passing.
    """
    zero, negated = torch.zeros_like(left), left * (-1.0) ** GRADES
    return (
        _stack_blocks([left, zero], [zero, left], [negated, zero]),
        _stack_blocks([right, zero], [right, zero], [zero, right]),
        _stack_blocks([result, zero.mT, zero.mT], [zero.mT, result, result]),
    )


def _stack_blocks(*rows: list[Tensor]) -> Tensor:
    return torch.cat([torch.cat(row, 1) for row in rows])


def _dual() -> Tensor:
    """Return the signed permutation to the complement: each blade wedge its dual is e0 e123."""
    dual = torch.zeros(2, 8, 2, 8, dtype=torch.float64)
    for blade, other in enumerate(COMPLEMENT):
        dual[1, other, 0, blade] = (-1) ** GRADES[blade].item()
        dual[0, other, 1, blade] = 1
    return dual.view(16, 16)
