"""The projective geometric algebra G(3,0,1): its linear maps and its products as constant tables.

A multivector is eight blades of space, 1; e1, e2, e3; e23, e31, e12; e123, each without and with e0
to its left: 16 components, (e0, blade). All entries are 0, 1 or 1/2 up to sign, so that float32
holds them exactly.
"""

from functools import cache

import torch
from torch import Tensor

GRADES = torch.tensor([0, 1, 1, 1, 2, 2, 2, 3])
COMPLEMENT = [7, 4, 5, 6, 1, 2, 3, 0]  # the blade that makes e123 with each blade, sign included
MAPS = 18

Factors = tuple[Tensor, Tensor, Tensor, Tensor]
CHUNK = 5120  # columns at a time, so that on a CPU what lies between stays in the cache
FEW = 384


@cache
@torch.inference_mode(False)
def product_factors() -> Factors:
    """Return geometric product and join as left, right (2, 24, 16), result (2, 16, 24) and turn.

    Of `left @ a` and `right @ b`, three by eight numbers, are taken three products of space:
    matrices for the geometric product, wedges for the join; `result` puts them together. The join
    of a and b is the blade whose dual is the wedge of their duals; it is the line through two
    points. Both products x y of space are such that <turn z, x y> stays when x, y, z move on.
    """
    entries, blades, dual = _matrix_entries(), torch.eye(8, dtype=torch.float64), _dual()
    left, right, result = _add_e0(entries, entries.mT / 2)
    wedge_left, wedge_right, wedge_result = _add_e0(blades, blades)
    turns = (_conjugate_transpose(), blades[COMPLEMENT])
    return (
        torch.stack([left, wedge_left @ dual]).float(),
        torch.stack([right, wedge_right @ dual]).float(),
        torch.stack([result, dual.mT @ wedge_result]).float(),
        torch.stack([torch.block_diag(turn, turn, turn) for turn in turns]).float(),
    )


class _Multiply(torch.autograd.Function):
    """A bilinear map by its factors; its derivatives are such maps too, so nothing else is kept."""

    @staticmethod
    def forward(
        left: Tensor, right: Tensor, result: Tensor, turn: Tensor, a: Tensor, b: Tensor
    ) -> Tensor:
        size = CHUNK if a.device.type == "cpu" else max(a.shape[-1], 1)
        chunks = zip(a.split(size, -1), b.split(size, -1), strict=True)
        parts = [result @ multiply_in_space(left @ x, right @ y) for x, y in chunks]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ANN001 - torch's own
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN001
        left, right, result, turn, a, b = ctx.saved_tensors
        grad, turned = grad.to(a.dtype), turn @ result.mT  # autocast makes products of another
        grad_a = multiply(right, turned, left.mT @ turn, turn, b, grad)
        grad_b = multiply(turned, left, right.mT @ turn, turn, grad, a)
        return None, None, None, None, grad_a, grad_b

    @staticmethod
    def jvp(ctx, *tangents: Tensor | None) -> Tensor:  # noqa: ANN001
        *factors, a, b = ctx.saved_tensors
        return multiply(*factors, tangents[-2], b) + multiply(*factors, a, tangents[-1])

    @staticmethod
    def vmap(info, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:  # noqa: ANN001
        batched = [
            x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
            for x, dim in zip(inputs, in_dims, strict=True)
        ]
        return multiply(*batched), 0


def multiply(
    left: Tensor, right: Tensor, result: Tensor, turn: Tensor, a: Tensor, b: Tensor
) -> Tensor:
    """Return geometric products and joins, (2, 16, columns), given `product_factors`.

    A compiler can cut what lies between to chunks itself.
    """
    left, right, result, turn = (factor.to(a.dtype) for factor in (left, right, result, turn))
    if torch.compiler.is_compiling():
        return result @ _multiply_in_space(left @ a, right @ b)
    return _Multiply.apply(left, right, result, turn, a, b)


def multiply_in_space(a: Tensor, b: Tensor) -> Tensor:
    """Return products of 2 x 2 complex matrices, then wedges, of (..., 2, 24, columns).

    A few columns take less time by single terms, which are more work in fewer operations.
    """
    if a.device.type == "cpu" and a.shape[-1] < FEW:
        left, right, result = (factor.to(a.dtype) for factor in _terms())
        return result @ ((left @ a) * (right @ b))
    return _multiply_in_space(a, b)


def _multiply_in_space(a: Tensor, b: Tensor) -> Tensor:
    (a, c), (b, d) = (x.unflatten(-2, (3, 8)).unbind(-4) for x in (a, b))
    return torch.stack([_multiply_matrices(a, b), _wedge(c, d)], -4).flatten(-3, -2)


@cache
@torch.inference_mode(False)
def _terms() -> tuple[Tensor, Tensor, Tensor]:
    """Return the terms of `multiply_in_space` as left, right (2, 96, 24), result (2, 24, 96)."""
    ones = torch.eye(24, dtype=torch.float32)
    pairs = ones.repeat_interleave(24, 1), ones.repeat(1, 24)  # each with each
    table = _multiply_in_space(*(x.expand(2, -1, -1) for x in pairs)).unflatten(2, (24, 24))
    factors = torch.zeros(3, 2, 96, 24, dtype=torch.float32)
    for kind, product in enumerate(table):
        result, left, right = product.nonzero().T
        term = torch.arange(len(result))
        factors[0, kind, term, left] = 1
        factors[1, kind, term, right] = 1
        factors[2, kind, term, result] = product[result, left, right]
    return factors[0], factors[1], factors[2].mT.contiguous()


def _multiply_matrices(a: Tensor, b: Tensor) -> Tensor:
    """Return products of matrices, (..., real and imaginary x row x column, columns)."""
    a = a.unflatten(-2, (2, 2, 2)).unsqueeze(-2)  # (..., part, row, inner, 1, columns)
    b = b.unflatten(-2, (2, 2, 2)).unsqueeze(-4)  # (..., part, 1, inner, column, columns)
    rows, columns = a.unbind(-3), b.unbind(-3)
    y = rows[0][..., :1, :, :, :] * columns[0]
    y.addcmul_(rows[1][..., :1, :, :, :], columns[1])
    real, imaginary = y[..., 0, :, :, :], y[..., 1, :, :, :]
    for row, column in zip(rows, columns, strict=True):
        real.addcmul_(row[..., 1, :, :, :], column[..., 1, :, :, :], value=-1)
        imaginary.addcmul_(row[..., 1, :, :, :], column[..., 0, :, :, :])
    return y.flatten(-4, -2)


def _wedge(a: Tensor, b: Tensor) -> Tensor:
    """Return exterior products of blades of space, (..., 8, columns)."""
    y = a[..., :1, :] * b
    y[..., 1:, :].addcmul_(a[..., 1:, :], b[..., :1, :])
    twice = [torch.cat([x[..., 1:4, :], x[..., 1:3, :]], -2) for x in (a, b)]  # e1 e2 e3 e1 e2
    (a2, a3), (b2, b3) = ((x[..., 1:4, :], x[..., 2:5, :]) for x in twice)
    y[..., 4:7, :].addcmul_(a2, b3).addcmul_(a3, b2, value=-1)
    volume, left, right = y[..., 7, :], a.unbind(-2), b.unbind(-2)
    for axis in (1, 2, 3):
        plane = axis + 3
        volume.addcmul_(left[axis], right[plane]).addcmul_(left[plane], right[axis])
    return y


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


def distance_query(w: Tensor, p: Tensor) -> Tensor:
    """Return the five terms of points for distance-aware attention, phi of the GATr paper.

    With weights w on e123, (1, ...), and places p, (3, ...), these are |p|^2, w^2 and w p, after
    scaling both by w / (w^2 + 1e-3).
    """
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


def _matrix_entries() -> Tensor:
    """Return the entries of blades, (real and imaginary x row x column, 8 blades)."""
    return torch.view_as_real(_pauli_matrices()).permute(3, 1, 2, 0).flatten(0, 2)


def _conjugate_transpose() -> Tensor:
    """Return the map of such entries to those of the adjoint, (8, 8)."""
    entries = torch.eye(8, dtype=torch.float64).view(2, 2, 2, 8).transpose(1, 2)
    return (entries * torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)).flatten(0, 2)


def _add_e0(to: Tensor, back: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return factors of all 16 components, given maps to and from what multiplies the first eight.

    (a + e0 a') (b + e0 b') = a b + e0 (a' b + ~a b'), in this order; ~a is a with its odd grades
    negated, which e0 does in passing.
    """
    zero, negated = torch.zeros_like(to), to * (-1.0) ** GRADES
    return (
        _stack_blocks([to, zero], [zero, to], [negated, zero]),
        _stack_blocks([to, zero], [to, zero], [zero, to]),
        _stack_blocks([back, zero, zero], [zero, back, back]),
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
