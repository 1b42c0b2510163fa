"""A linear map whose weights are tied in groups: one number for each group."""

import torch
from torch import Tensor, nn

from remul.fields import Fields, Signature


def build(signature: Signature, prototypes: int | None = None) -> "Tied":
    """Return y = W x with vec(W) = psi[labels], all weights apart until a method ties them.

    There are as many `prototypes` psi as weights unless fewer are asked for; then all weights
    begin in turn with those there are. Takes one input and one output, both fields of the whole
    sample; raises `ValueError` for others.
    """
    sides = (signature.inputs, signature.outputs)
    if any(len(side) != 1 or next(iter(side.values())).objects for side in sides):
        raise ValueError("tied takes one input and one output, each of the whole sample")
    return Tied(signature, prototypes)


class Tied(nn.Module):
    def __init__(self, signature: Signature, prototypes: int | None) -> None:
        super().__init__()
        ((self.source, rep_in),) = signature.inputs.items()
        ((self.target, rep_out),) = signature.outputs.items()
        self.shape = (rep_out.dim, rep_in.dim)
        count = rep_out.dim * rep_in.dim
        self.prototypes = nn.Parameter(0.1 * torch.randn(prototypes or count))
        self.register_buffer("labels", torch.arange(count) % len(self.prototypes))

    def forward(self, inputs: Fields) -> Fields:
        return {self.target: inputs[self.source] @ self.weight().mT}

    def weight(self) -> Tensor:
        """Return W, (width out, width in)."""
        return self.prototypes[self.labels].view(self.shape)

    def partition(self) -> Tensor:
        """Return the group of each weight, row by row."""
        return self.labels

    @torch.no_grad()
    def tie(self, labels: Tensor, prototypes: Tensor) -> None:
        """Put every weight into a group, and give each group its number."""
        self.labels.copy_(labels)
        self.prototypes.copy_(prototypes)
