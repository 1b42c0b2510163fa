"""Multivectors of G(3,0,1) beside scalars: how they lie in memory, linear maps, normalisation.

Half of the multivectors, the odd ones, change sign under reflections on top of what the algebra
says: e0 does so, hence the join and products with e0 lead from one half to the other. Components
are kept by their parity under inversion instead: without e0 that of their multivector, with e0 the
other one. Then every product of the algebra is one of parities too.

A tensor of multivectors is (8 blades, rows, objects), so that a linear map, which never mixes
blades, is one batched product of matrices over blades, and all that is done to some of the rows is
done to contiguous numbers.
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


class Rows(NamedTuple):
    """What the rows of a tensor of multivectors are: groups x 2 e0 x 2 parities x channels."""

    groups: int
    channels: int

    @property
    def width(self) -> int:
        """The number of rows."""
        return 4 * self.groups * self.channels

    def split(self, x: Tensor) -> Tensor:
        """Return x as (8 blades, groups, 2 without and with e0, 2 parities, channels, objects)."""
        return x.view(8, self.groups, 2, 2, self.channels, x.shape[-1])


class MultivectorLinear(nn.Module):
    """The equivariant linear map of multivectors and of scalars.

    Scalars mix with the invariant components, 1 and e123 without e0 of even parity. `kinds` are
    those of components that come in and that are used, by group: weights between others are none.
    `basis_in` and `basis_out` say in which basis the two parities come and go.
    """

    def __init__(
        self,
        rows: tuple[Rows, Rows],
        scalars: tuple[int, int],
        kinds: tuple[Tensor, Tensor],
        basis_in: Tensor = PARITIES,
        basis_out: Tensor = PARITIES,
    ) -> None:
        super().__init__()
        self.rows_in, self.rows_out = rows
        fan_in = self.rows_in.width // 4
        used = find_maps(*kinds)  # (maps, groups in, groups out)
        which = used.flatten(1).any(1)
        # b blade, e and f e0 in and out, p parity, q and r parities in their bases, m map
        maps = torch.einsum("qp,befpm,pr->beqfrm", basis_in, algebra.linear_maps(), basis_out)
        maps = maps[..., which].flatten(0, -2).to(torch.get_default_dtype())
        self.register_buffer("maps", maps, persistent=False)
        kept = used[which].flatten()
        self.register_buffer("kept", kept.nonzero().squeeze(1), persistent=False)
        self.all_kept = bool(kept.all())
        size = self.rows_in.channels * self.rows_out.channels
        self.weight = nn.Parameter(torch.randn(len(self.kept), size) / fan_in**0.5)
        # Rows of the invariants, first among the parities: in sum and difference they are both.
        self.even_in = int(basis_in[:, 0].count_nonzero())
        self.even_out = int(basis_out[0].count_nonzero())
        ins, outs = (part[:, ::7, 0, 0] for part in kinds)  # (groups, 1 and e123)
        self.lifted = outs.any(0).nonzero().flatten().tolist()
        groups, channels = self.rows_out
        self.lift = linear(scalars[0], len(self.lifted) * groups * channels)
        taken = ins.mT[..., None].expand(-1, -1, self.rows_in.channels).flatten()
        self.register_buffer("taken", taken.nonzero().squeeze(1), persistent=False)
        self.all_taken = bool(taken.all())
        width = scalars[0] + len(self.taken)
        self.mix = linear(width, scalars[1]) if scalars[1] else None

    def matrices(self) -> Tensor:
        """Return the weights by blade, (8, rows out, rows in)."""
        (groups_in, channels_in), (groups_out, channels_out) = self.rows_in, self.rows_out
        count, weight = self.maps.shape[1], self.weight
        if not self.all_kept:
            full = weight.new_zeros(count * groups_in * groups_out, weight.shape[1])
            weight = full.index_copy(0, self.kept, weight)
        blocks = (self.maps @ weight.view(count, -1)).view(
            8, 4, 4, groups_in, groups_out, channels_in, channels_out
        )
        # `part` is e0 x parity; a row is (group, part, channel), a block all channels at once.
        blade, part_in, part_out, group_in, group_out, channel_in, channel_out = range(7)
        rows, columns = (group_out, part_out, channel_out), (group_in, part_in, channel_in)
        by_row = blocks.permute(blade, *rows, *columns)
        return by_row.reshape(8, self.rows_out.width, self.rows_in.width)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        return self.transform(x, s), s if self.mix is None else self.mix(self.join(x, s))

    def transform(self, x: Tensor, s: Tensor) -> Tensor:
        """Return the multivectors, (8, rows out, objects), or zero where none is used."""
        if not self.maps.shape[1]:
            return x.new_zeros(())
        y = torch.bmm(self.matrices(), x)
        if self.lifted:
            groups, channels = self.rows_out
            lifted = self.lift(s).mT.unflatten(0, (len(self.lifted), groups, 1, channels))
            invariants = _invariants(self.rows_out.split(y), self.even_out)
            first, last = self.lifted[0], self.lifted[-1] + 1
            invariants[first:last].add_(lifted)
        return y

    def join(self, x: Tensor, s: Tensor) -> Tensor:
        """Return scalars and behind them the invariant components, (objects, width)."""
        invariants = _invariants(self.rows_in.split(x), self.even_in).mean(2)
        invariants = invariants.flatten(0, 2)
        if not self.all_taken:
            invariants = invariants.index_select(0, self.taken)
        return torch.cat([s, invariants.mT], -1)


def _invariants(x: Tensor, even: int) -> Tensor:
    """Return the blades 1 and e123 without e0, (2, groups, even parities, channels, objects)."""
    return x[::7, :, 0, :even]


def normalise(x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Return multivectors over the root mean square of their norms, scalars by LayerNorm."""
    half = x.shape[1] // 2  # the rows without e0, which has no part in the inner product
    squared = widen(x[:, :half]).square().sum((0, 1)) / half
    scale = narrow(squared.clamp_min(1e-2).rsqrt(), x.dtype)
    return x * scale, layer_norm(s, s.shape[-1:])
