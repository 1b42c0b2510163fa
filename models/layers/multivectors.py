"""Multivectors of G(3,0,1) beside scalars: how they lie in memory, linear maps, normalisation.

Half of the multivectors, the odd ones, change sign under reflections on top of what the algebra
says: e0 does so, hence the join and products with e0 lead from one half to the other. Components
are kept by their parity under inversion instead: without e0 that of their multivector, with e0 the
other one. Then every product of the algebra is one of parities too.

A tensor of multivectors is (8 blades, objects, columns), so that a linear map, which never mixes
blades, is one batched product of matrices over blades.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from models.layers import geometric_algebra as algebra
from models.layers.blades import find_maps
from models.layers.lengths import narrow, widen
from models.layers.mlp import linear

PARITIES = torch.eye(2, dtype=torch.float32)
SUMS = torch.tensor([[1, 1], [1, -1]], dtype=torch.float32)  # to sum and difference


class Columns(NamedTuple):
    """What the columns of a tensor of multivectors are: groups x 2 e0 x 2 parities x channels."""

    groups: int
    channels: int

    @property
    def width(self) -> int:
        """The number of columns."""
        return 4 * self.groups * self.channels

    def split(self, x: Tensor) -> Tensor:
        """Return x as (8 blades, objects, groups, 2 without and with e0, 2 parities, channels)."""
        return x.view(8, x.shape[1], self.groups, 2, 2, self.channels)


class MultivectorLinear(nn.Module):
    """The equivariant linear map of multivectors and of scalars.

    Scalars mix with the invariant components, 1 and e123 without e0 of even parity. `kinds` are
    those of components that come in and that are used, by group: weights between others are none.
    `basis_in` and `basis_out` say in which basis the two parities come and go.
    """

    def __init__(
        self,
        columns: tuple[Columns, Columns],
        scalars: tuple[int, int],
        kinds: tuple[Tensor, Tensor],
        basis_in: Tensor = PARITIES,
        basis_out: Tensor = PARITIES,
    ) -> None:
        super().__init__()
        self.columns_in, self.columns_out = columns
        fan_in = self.columns_in.width // 4
        used = find_maps(*kinds)  # (maps, groups in, groups out)
        which = used.flatten(1).any(1)
        # b blade, e and f e0 in and out, p parity, q and r parities in their bases, m map
        maps = torch.einsum("qp,befpm,pr->beqfrm", basis_in, algebra.linear_maps(), basis_out)
        maps = maps[..., which].flatten(0, -2).to(torch.get_default_dtype())
        self.register_buffer("maps", maps, persistent=False)
        rows = used[which].flatten()
        self.register_buffer("rows", rows.nonzero().squeeze(1), persistent=False)
        self.all_rows = bool(rows.all())
        size = self.columns_in.channels * self.columns_out.channels
        self.weight = nn.Parameter(torch.randn(len(self.rows), size) / fan_in**0.5)
        # Columns of the invariants, first among the parities: in sum and difference they are both.
        self.even_in = int(basis_in[:, 0].count_nonzero())
        self.even_out = int(basis_out[0].count_nonzero())
        ins, outs = (part[:, ::7, 0, 0] for part in kinds)  # (groups, 1 and e123)
        self.lifted = outs.any(0).nonzero().flatten().tolist()
        groups, channels = self.columns_out
        self.lift = linear(scalars[0], len(self.lifted) * groups * channels)
        taken = ins.mT[..., None].expand(-1, -1, self.columns_in.channels).flatten()
        self.register_buffer("taken", taken.nonzero().squeeze(1), persistent=False)
        self.all_taken = bool(taken.all())
        width = scalars[0] + len(self.taken)
        self.mix = linear(width, scalars[1]) if scalars[1] else None

    def matrices(self) -> Tensor:
        """Return the weights by blade, (8, columns in, columns out)."""
        (groups_in, channels_in), (groups_out, channels_out) = self.columns_in, self.columns_out
        count, weight = self.maps.shape[1], self.weight
        if not self.all_rows:
            full = weight.new_zeros(count * groups_in * groups_out, weight.shape[1])
            weight = full.index_copy(0, self.rows, weight)
        blocks = (self.maps @ weight.view(count, -1)).view(
            8, 4, 4, groups_in, groups_out, channels_in, channels_out
        )
        # `part` is e0 x parity; a column is (group, part, channel), a block all channels at once.
        blade, part_in, part_out, group_in, group_out, channel_in, channel_out = range(7)
        rows, columns = (group_in, part_in, channel_in), (group_out, part_out, channel_out)
        by_column = blocks.permute(blade, *rows, *columns)
        return by_column.reshape(8, self.columns_in.width, self.columns_out.width)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        return self.transform(x, s), s if self.mix is None else self.mix(self.join(x, s))

    def transform(self, x: Tensor, s: Tensor) -> Tensor:
        """Return the multivectors, (8, objects, columns out), or zero where none is used."""
        if not self.maps.shape[1]:
            return x.new_zeros(())
        y = torch.bmm(x, self.matrices())
        if self.lifted:
            groups, channels = self.columns_out
            lifted = self.lift(s).view(s.shape[0], len(self.lifted), groups, 1, channels)
            invariants = _invariants(self.columns_out.split(y), self.even_out)
            first, last = self.lifted[0], self.lifted[-1] + 1
            invariants[first:last].add_(lifted.transpose(0, 1))
        return y

    def join(self, x: Tensor, s: Tensor) -> Tensor:
        """Return scalars and behind them the invariant components, (objects, width)."""
        invariants = _invariants(self.columns_in.split(x), self.even_in).mean(-2)
        invariants = invariants.transpose(0, 1).flatten(1)
        invariants = invariants if self.all_taken else invariants[:, self.taken]
        return torch.cat([s, invariants], -1)


def _invariants(x: Tensor, even: int) -> Tensor:
    """Return the blades 1 and e123 without e0, (2, objects, groups, even parities, channels)."""
    return x[::7, :, :, 0, :even]


def normalise(x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Return multivectors over the root mean square of their norms, scalars by LayerNorm."""
    half = x.shape[-1] // 2  # the columns without e0, which has no part in the inner product
    squared = widen(x[..., :half]).square().sum((0, 2)) / half
    scale = narrow(squared.clamp_min(1e-2).rsqrt()[:, None], x.dtype)
    return x * scale, layer_norm(s, s.shape[-1:])
