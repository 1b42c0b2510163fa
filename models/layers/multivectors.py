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

    Scalars mix with the invariant components, 1 and e123 without e0 of even parity. `basis_in` and
    `basis_out` say in which basis the two parities come and go.
    """

    def __init__(
        self,
        columns: tuple[Columns, Columns],
        scalars: tuple[int, int],
        basis_in: Tensor = PARITIES,
        basis_out: Tensor = PARITIES,
    ) -> None:
        super().__init__()
        self.columns_in, self.columns_out = columns
        fan_in, fan_out = self.columns_in.width // 4, self.columns_out.width // 4
        # b blade, e and f e0 in and out, p parity, q and r parities in their bases, m map
        maps = torch.einsum("qp,befpm,pr->beqfrm", basis_in, algebra.linear_maps(), basis_out)
        maps = maps.reshape(-1, algebra.MAPS).to(torch.get_default_dtype())
        self.register_buffer("maps", maps, persistent=False)
        # Columns of the invariants, first among the parities: in sum and difference they are both.
        self.even_in = int(basis_in[:, 0].count_nonzero())
        self.even_out = int(basis_out[0].count_nonzero())
        self.weight = nn.Parameter(torch.randn(algebra.MAPS, fan_in * fan_out) / fan_in**0.5)
        self.lift = linear(scalars[0], 2 * fan_out)
        self.mix = nn.Linear(scalars[0] + 2 * fan_in, scalars[1]) if scalars[1] else None

    def matrices(self) -> Tensor:
        """Return the weights by blade, (8, columns in, columns out)."""
        blocks = (self.maps @ self.weight).view(8, 4, 4, *self.columns_in, *self.columns_out)
        # `part` is e0 x parity; a column is (group, part, channel), a block all channels at once.
        blade, part_in, part_out, group_in, channel_in, group_out, channel_out = range(7)
        rows, columns = (group_in, part_in, channel_in), (group_out, part_out, channel_out)
        by_column = blocks.permute(blade, *rows, *columns)
        return by_column.reshape(8, self.columns_in.width, self.columns_out.width)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.bmm(x, self.matrices())  # (8, objects, columns out)
        groups, channels = self.columns_out
        lifted = self.lift(s).view(len(s), 2, groups, 1, channels).transpose(0, 1)
        _invariants(self.columns_out.split(y), self.even_out).add_(lifted)
        if self.mix is None:
            return y, s
        invariants = _invariants(self.columns_in.split(x), self.even_in).mean(-2)
        return y, self.mix(torch.cat([s, invariants.transpose(0, 1).flatten(1)], -1))


def _invariants(x: Tensor, even: int) -> Tensor:
    """Return the blades 1 and e123 without e0, (2, objects, groups, even parities, channels)."""
    return x[::7, :, :, 0, :even]


def normalise(x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Return multivectors over the root mean square of their norms, scalars by LayerNorm."""
    half = x.shape[-1] // 2  # the columns without e0, which has no part in the inner product
    squared = widen(x[..., :half]).square().sum((0, 2)) / half
    scale = narrow(squared.clamp_min(1e-2).rsqrt()[:, None], x.dtype)
    return x * scale, layer_norm(s, s.shape[-1:])
