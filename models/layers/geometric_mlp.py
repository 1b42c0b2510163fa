"""The multilayer perceptron of multivectors: geometric products and joins between linear maps."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from models.layers import geometric_algebra as algebra
from models.layers.blades import Uses
from models.layers.lengths import narrow, widen
from models.layers.multivectors import SUMS, Columns, MultivectorLinear


class GeoMLP(nn.Module):
    """The geometric MLP: products and joins of linear maps, a gate, a linear map."""

    def __init__(self, channels: int, half: int, uses: Uses) -> None:
        super().__init__()
        self.half, self.scalars = half, uses.scalars
        hidden, wide = Columns(1, 2 * half), 2 * channels
        self.factors = MultivectorLinear(
            (Columns(1, half), Columns(4, half)),
            (channels, 0),
            (uses.after[None], uses.factors),
            basis_out=SUMS,
        )
        self.expand = MultivectorLinear(
            (Columns(2, half), hidden),
            (channels, wide * uses.hidden_scalars),
            (uses.products, uses.hidden[None]),
            basis_in=SUMS / 2,
        )
        self.reduce = MultivectorLinear(
            (hidden, Columns(1, half)),
            (wide, channels * uses.scalars),
            (uses.hidden[None], uses.out[None]),
        )
        factors = zip(("left", "right", "result"), algebra.product_factors(), strict=True)
        for name, factor in factors:
            factor = factor.to(torch.get_default_dtype(), copy=True)
            self.register_buffer(name, factor, persistent=False)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        x, s = self.expand(self.products(self.factors(x, s)[0]), s)
        gate = gelu(x[0, :, : 2 * self.half])  # the blade 1 without e0, even: invariant
        return self.reduce(x * gate.repeat(1, 4), gelu(s))

    def products(self, x: Tensor) -> Tensor:
        """Return geometric products and joins of four groups of factors, (8, objects, columns).

        Parities multiply like signs, so sums and differences of even and odd go each by itself:
        they are more channels.
        """
        blade, item, group, e0, channel = range(5)
        x = x.view(8, -1, 4, 2, 2 * self.half).permute(group, e0, blade, item, channel)
        a, b = x.reshape(2, 2, 16, -1)  # each (product or join, components, objects x channels)
        y = algebra.multiply(self.left, self.right, self.result, widen(a), widen(b))
        y = narrow(y, x.dtype)
        group, e0, blade, item, channel = range(5)
        y = y.view(2, 2, 8, -1, 2 * self.half).permute(blade, item, group, e0, channel)
        return y.flatten(2)
