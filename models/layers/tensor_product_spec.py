"""What a channelwise tensor product multiplies: irreps, paths, and the geometry of the edges."""

from itertools import product
from typing import NamedTuple

import torch
from e3nn import o3
from torch import Tensor

from models.layers.edge_blocks import Block, Senders
from models.layers.edges import Edges

Irrep = tuple[int, int]
Triple = tuple[int, int, int]


class TensorProductSpec:
    """What is to be multiplied: the irreps of features, their channels, and the paths there are.

    `l_triples` are the l of the sender, of the harmonics and of the result. Each is a path for both
    parities: the index of the sender's irrep, l of the harmonics, the index of the result's irrep.
    Paths lead from the irreps `ins` to `outs`, indices again, by default from all to all.
    """

    def __init__(
        self,
        lmax: int,
        channels: int,
        lmax_sh: int | None = None,
        ins: set[int] | None = None,
        outs: set[int] | None = None,
    ) -> None:
        self.lmax, self.channels = lmax, channels
        self.lmax_sh = lmax if lmax_sh is None else lmax_sh
        self.irreps: list[Irrep] = list(product(range(lmax + 1), (1, -1)))
        everything = set(range(len(self.irreps)))
        ins, outs = everything if ins is None else ins, everything if outs is None else outs
        # Irrep 2 l is even, 2 l + 1 odd; harmonics of odd l change the parity.
        self.paths = [
            (2 * l_in + odd, l_sh, 2 * l_out + (odd + l_sh) % 2)
            for l_in, l_sh, l_out in product(range(lmax + 1), repeat=3)
            if l_sh <= self.lmax_sh and abs(l_in - l_sh) <= l_out <= l_in + l_sh
            for odd in (0, 1)
            if 2 * l_in + odd in ins and 2 * l_out + (odd + l_sh) % 2 in outs
        ]
        self.l_triples = [*dict.fromkeys((i // 2, l_sh, j // 2) for i, l_sh, j in self.paths)]
        self.ins = sorted({i for i, _, _ in self.paths})  # those that send

    def clebsch_gordan(self, l_in: int, l_sh: int, l_out: int) -> Tensor:
        """Return scaled coefficients in float64, (2 l_in + 1, 2 l_sh + 1, 2 l_out + 1)."""
        return (2 * l_out + 1) ** 0.5 * o3.wigner_3j(l_in, l_sh, l_out, dtype=torch.float64)


class Plan(NamedTuple):
    """How edges are cut to blocks, and where their senders lie, by l."""

    blocks: list[Block]
    senders: list[Senders]


class Geometry(NamedTuple):
    """What products need of the edges: harmonics, and by triple what a backend makes of them.

    With a plan they are to be multiplied in blocks.
    """

    edges: Edges
    harmonics: Tensor
    matrices: dict[Triple, Tensor]
    plan: Plan | None = None
