"""A sum over places, each through a matrix that some of the places share."""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, relu

from remul.fields import SCALAR, Fields, Rep, Signature

DIGITS = 10


def build(
    signature: Signature, places: int = 4, channels: int = 16, hidden: int = 16
) -> "PositionWise":
    """Return sum_k relu(e(x_k) W_k) into a linear map, with W_k = sum_m A_km W_m.

    e embeds the digits 0 to 9; the rows of A are softmax `logits`, which a bilevel method learns:
    places with one row share their matrix. Takes one scalar of each of `places` objects and gives
    one of the whole sample; raises `ValueError` for other signatures.
    """
    sides = [[*side.values()] for side in (signature.inputs, signature.outputs)]
    if sides != [[SCALAR], [Rep("0e", objects=0)]]:
        raise ValueError("position_wise takes one scalar of each object and gives one of them all")
    return PositionWise(signature, places, channels, hidden)


class PositionWise(nn.Module):
    def __init__(self, signature: Signature, places: int, channels: int, hidden: int) -> None:
        super().__init__()
        (self.source,), (self.target,) = signature.inputs, signature.outputs
        self.logits = nn.Parameter(0.1 * torch.randn(places, places))
        self.embedding = nn.Parameter(torch.randn(DIGITS, channels))
        self.matrices = nn.Parameter(torch.randn(places, channels, hidden) / channels**0.5)
        self.last = nn.Linear(hidden, 1)

    def forward(self, inputs: Fields) -> Fields:
        digits = inputs[self.source][..., 0].long()  # (batch, places)
        shared = torch.einsum("km,mch->kch", self.logits.softmax(-1), self.matrices)
        embedded = one_hot(digits, DIGITS).to(self.embedding) @ self.embedding
        hidden = relu(torch.einsum("bkc,kch->bkh", embedded, shared)).sum(1)
        return {self.target: self.last(hidden)}

    def partition(self) -> Tensor:
        """Return the group of each place."""
        return self.logits.argmax(-1)

    def upper(self) -> str:
        """Return the name of the weights that are learned on validation samples."""
        return "logits"
