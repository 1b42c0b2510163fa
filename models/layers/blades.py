"""Which components of multivectors are not zero, and which have an effect: what is to be learned.

Kinds of components are a set, bool (8 blades, 2 without and with e0, 2 parities), as in
`linear_maps`.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from models.layers import geometric_algebra as algebra


def list_kinds(*kinds: tuple[int | slice, int | slice, int | slice]) -> Tensor:
    """Return the set of what is given by blade, e0 and parity."""
    members = torch.zeros(8, 2, 2, dtype=torch.bool)
    for kind in kinds:
        members[kind] = True
    return members


EVERY = slice(None)
NOTHING = list_kinds()
INVARIANTS = list_kinds((0, 0, 0), (7, 0, 0))  # to which scalars are lifted, from which they come
SPACE = list_kinds((EVERY, 0, EVERY))  # all that has a norm
VECTORS = list_kinds((slice(4, 7), 1, 1))
CENTRE = list_kinds((7, 0, 0))  # a point at the origin
POINTS = VECTORS | CENTRE
ODD = list_kinds((slice(1, 7), EVERY, 1))  # what output vectors are made of


def find_maps(ins: Tensor, outs: Tensor) -> Tensor:
    """Return which maps lead from sets of kinds to others, (maps, ins, outs)."""
    maps = algebra.linear_maps().flatten(3).flatten(0, 2) > 0  # (blade e0 e0, parity map)
    pairs = ins[:, None, :, :, None] & outs[:, :, None][None]  # (ins, outs, blade, e0, e0, parity)
    maps = maps.view(8, 2, 2, 2, -1)
    return (pairs.unsqueeze(-1) & maps).flatten(2, 5).any(2).permute(2, 0, 1)


def reach(kinds: Tensor) -> Tensor:
    """Return the kinds that a linear map makes of those given, and of scalars."""
    maps = algebra.linear_maps().sum(-1) > 0  # (blade, e0 in, e0 out, parity)
    return (kinds[:, :, None] & maps).any(1) | INVARIANTS


def lead_to(kinds: Tensor) -> Tensor:
    """Return the kinds of which a linear map makes any of those given."""
    maps = algebra.linear_maps().sum(-1) > 0
    return (kinds[:, None] & maps).any(2)


@cache
@torch.inference_mode(False)
def _list_products() -> Tensor:
    """Return what is a term of what, (product or join, result, left, right), kinds side by side."""
    ones = torch.eye(16)
    left, right = ones.repeat_interleave(16, 1), ones.repeat(1, 16)  # each with each
    products = algebra.multiply(
        *algebra.product_factors(), left.expand(2, -1, -1), right.expand(2, -1, -1)
    )
    terms = products.unflatten(2, (16, 16)).abs() > 0.5
    odd = torch.tensor([0, 1])
    parities = odd[:, None, None] == (odd[:, None] + odd) % 2  # of result, left, right
    terms = terms[:, :, None, :, None, :, None] & parities[:, None, :, None]
    return terms.view(2, 32, 32, 32)


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """Return the kinds of geometric products and joins, (2, 8, 2, 2)."""
    a, b = _flatten(left), _flatten(right)
    return _unflatten((_list_products() & a[:, None] & b).flatten(2).any(2))


def lead_to_product(products: Tensor, factor: Tensor) -> Tensor:
    """Return the kinds of either factor, given those of the other, by product and join."""
    terms = _list_products() & _flatten(products)[:, :, None, None]
    left = (terms & _flatten(factor)).any(3).any(1)
    right = (terms & _flatten(factor)[:, None]).any(2).any(1)
    return _unflatten(torch.stack([left, right]))  # (left or right, product or join, 8, 2, 2)


def _flatten(kinds: Tensor) -> Tensor:
    return kinds.transpose(-3, -2).flatten(-3)  # (..., e0 x blade x parity)


def _unflatten(kinds: Tensor) -> Tensor:
    return kinds.unflatten(-1, (2, 8, 2)).transpose(-3, -2)


class Uses(NamedTuple):
    """The kinds in a block that are neither zero nor without effect, in the order they are made.

    `queries` are those of keys too, `joined` what attention adds to x and `after` the sum,
    `factors` those of product and join, left and right, and `products` both results, `out` what the
    block puts out. The last two tell whether scalars have an effect beside `hidden` and `out`.
    """

    x: Tensor
    queries: Tensor
    values: Tensor
    joined: Tensor
    after: Tensor
    factors: Tensor
    products: Tensor
    hidden: Tensor
    out: Tensor
    hidden_scalars: bool
    scalars: bool


def plan(ins: Tensor, outs: Tensor, scalars: bool, depth: int) -> tuple[list[Uses], Tensor, Tensor]:
    """Return what each block uses, and what is used before the first and after the last one.

    Given are the kinds of the inputs, those that outputs are made of, and whether scalars are.
    """
    alive = [reach(ins.any(0))]
    for _ in range(depth):
        after = alive[-1] | reach(reach(alive[-1]))
        factors = reach(after)
        alive.append(after | reach(reach(multiply(factors, factors).any(0))))
    blocks, used = [], outs & alive[-1]
    last = used
    for x in reversed(alive[:-1]):
        block, used = _plan_block(x, used, scalars)
        blocks.append(block)
        scalars = True
    return blocks[::-1], used, last


def _plan_block(x: Tensor, out: Tensor, scalars: bool) -> tuple[Uses, Tensor]:
    """Return what a block uses, given what comes in and what is used of the sum; and of its x."""
    sent = reach(x)
    after = x | reach(sent)
    factors = reach(after)
    products = multiply(factors, factors)
    hidden_scalars = scalars or bool((out & INVARIANTS).any())
    hidden = reach(products.any(0))
    hidden = hidden & (lead_to(out) | (INVARIANTS if scalars else NOTHING))
    hidden = hidden | list_kinds((0, 0, 0))  # the gate
    products = products & (lead_to(hidden) | (INVARIANTS if hidden_scalars else NOTHING))
    used_factors = lead_to_product(products, factors) & factors
    to_factors = lead_to(used_factors.flatten(0, 1).any(0))
    joined = (out | to_factors | SPACE) & after
    values = sent & (lead_to(joined) | INVARIANTS)
    queries = (sent & SPACE) | find_places(sent)
    used = x & (joined | lead_to(queries | values) | SPACE)
    uses = Uses(x, queries, values, joined, after, used_factors.flatten(0, 1), products, hidden,
                out, hidden_scalars, scalars)  # fmt: skip
    return uses, used


def find_places(kinds: Tensor) -> Tensor:
    """Return the places of points, which need a weight: e0 turns its parity."""
    weights = kinds[7, 0].flip(-1)
    places = kinds & list_kinds((slice(4, 7), 1, EVERY))
    return places & weights
