"""Layers of scalars and vectors of a whole sample: exact for O(3), or relaxed by a free path."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.layers.mlp import linear


class Sizes(NamedTuple):
    """How many scalars and vectors there are."""

    scalars: int
    vectors: int

    @property
    def width(self) -> int:
        """The number of components."""
        return self.scalars + 3 * self.vectors


class VectorLayer(nn.Module):
    """Linear maps, products of mapped vectors among the scalars, and gates of vectors.

    Scalars (batch, s) and vectors (batch, v, 3) in and out. Maps of vectors mix them whole, so the
    layer is exact; a `free` linear map of all components, on demand, is added to what they give.
    """

    def __init__(self, sizes: Sizes, out: Sizes, free: bool, activate: bool) -> None:
        super().__init__()
        self.sizes, self.out, self.activate = sizes, out, activate
        products = max(out) if sizes.vectors else 0
        gates = out.vectors if sizes.vectors or free else 0
        self.factors = linear(sizes.vectors, 2 * products, bias=False)
        self.scalars = linear(sizes.scalars + products, out.scalars + gates)
        self.vectors = linear(sizes.vectors, out.vectors, bias=False)
        self.free = linear(sizes.width, out.width, bias=False) if free else None

    def forward(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        x = self.scalars(torch.cat([s, self.multiply(v)], -1))
        x, gates = x[:, : self.out.scalars], x[:, self.out.scalars :]
        y = self.vectors(v.mT).mT  # (batch, vectors, 3)
        if self.free is not None:
            free = self.free(torch.cat([s, v.flatten(1)], -1))
            x = x + free[:, : self.out.scalars]
            y = y + free[:, self.out.scalars :].unflatten(-1, (self.out.vectors, 3))
        if gates.shape[1]:
            y = gates.sigmoid().unsqueeze(-1) * y
        return nn.functional.silu(x) if self.activate else x, y

    def multiply(self, v: Tensor) -> Tensor:
        """Return products a.b of mapped vectors, which grow like their lengths: (batch, k)."""
        a, b = self.factors(v.mT).mT.chunk(2, 1)  # (batch, k, 3)
        size = (1 + a.square().sum(-1, keepdim=True) + b.square().sum(-1, keepdim=True)).sqrt()
        return (a * (b / size)).sum(-1)

    def exact_weights(self) -> list[Tensor]:
        """Return the matrices of the exact maps."""
        maps = (self.factors, self.scalars, self.vectors)
        return [layer.weight for layer in maps if isinstance(layer, nn.Linear)]

    def asymmetric_part(self) -> Tensor:
        """Return the free map, (out, in) components, less its projection on the equivariant ones.

        Those are all maps of scalars to scalars, and those of vectors that mix them whole.
        """
        weight = self.free.weight
        equivariant, (rows, columns) = torch.zeros_like(weight), (self.out.scalars, self.sizes[0])
        equivariant[:rows, :columns] = weight[:rows, :columns]
        mixes = weight[rows:, columns:].unflatten(0, (-1, 3)).unflatten(-1, (-1, 3))
        whole = mixes.diagonal(dim1=1, dim2=3).mean(-1)  # (vectors out, vectors in)
        equivariant[rows:, columns:] = torch.kron(whole, torch.eye(3).to(weight))
        return weight - equivariant
