"""The multilayer perceptron of multivectors: geometric products and joins between linear maps."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from models.layers import geometric_algebra as algebra
from models.layers.blades import Uses
from models.layers.lengths import narrow, widen
from models.layers.multivectors import SUMS, MultivectorLinear, Rows


class GeoMLP(nn.Module):
    """The geometric MLP: products and joins of linear maps, a gate, a linear map."""

    def __init__(self, channels: int, half: int, uses: Uses) -> None:
        super().__init__()
        self.half, self.scalars = half, uses.scalars
        hidden, wide = Rows(1, 2 * half), 2 * channels
        self.factors = MultivectorLinear(
            (Rows(1, half), Rows(4, half)),
            (channels, 0),
            (uses.after[None], uses.factors),
            basis_out=SUMS,
        )
        self.expand = MultivectorLinear(
            (Rows(2, half), hidden),
            (channels, wide * uses.hidden_scalars),
            (uses.products, uses.hidden[None]),
            basis_in=SUMS / 2,
        )
        self.reduce = MultivectorLinear(
            (hidden, Rows(1, half)),
            (wide, channels * uses.scalars),
            (uses.hidden[None], uses.out[None]),
        )
        names = ("left", "right", "result", "turn")
        factors = zip(names, algebra.product_factors(), strict=True)
        for name, factor in factors:
            factor = factor.to(torch.get_default_dtype(), copy=True)
            self.register_buffer(name, factor, persistent=False)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        x, s = self.expand(self.products(self.factors(x, s)[0]), s)
        gate = gelu(x[0, : 2 * self.half])  # the blade 1 without e0, even: invariant
        gated = x.unflatten(1, (4, 2 * self.half)) * gate
        return self.reduce(gated.flatten(1, 2), gelu(s))

    def products(self, x: Tensor) -> Tensor:
        """Return geometric products and joins of four groups of factors, (8, rows, objects).

        Parities multiply like signs, so sums and differences of even and odd go each by itself:
        they are more channels.
        """
        x = x.view(8, 4, 2, -1).permute(1, 2, 0, 3)  # (groups, e0, blades, channels x objects)
        a, b = x.reshape(2, 2, 16, x.shape[-1])  # each (product or join, components, ...)
        factors = (self.left, self.right, self.result, self.turn)
        y = algebra.multiply(*factors, widen(a), widen(b))
        y = narrow(y, x.dtype)
        y = y.view(2, 2, 8, 2 * self.half, -1).permute(2, 0, 1, 3, 4)
        return y.flatten(1, 3)
