"""A small convolutional network of a sequence or an image, with a dense head."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from remul.fields import Fields, Signature

KERNEL = 3


def build(signature: Signature, dimensions: int = 2, channels: int = 8, hidden: int = 32) -> "Grid":
    """Return probabilities of classes: two convolutions padded with zeros, and two dense layers.

    The input is a line of pixels, or with two `dimensions` a square of them, row by row. Neither
    the padding nor the head is exact for shifts or turns. Takes one input and one output, each of
    the whole sample; raises `ValueError` for others and for what is no square.
    """
    sides = (signature.inputs, signature.outputs)
    if any(len(side) != 1 or next(iter(side.values())).objects for side in sides):
        raise ValueError("grid_net takes one input and one output, each of the whole sample")
    pixels = next(iter(signature.inputs.values())).dim
    side = round(pixels ** (1 / dimensions)) if dimensions in (1, 2) else 0
    if not side or side**dimensions != pixels:
        raise ValueError(f"{pixels} pixels are no grid of {dimensions} dimensions, of 1 or 2")
    return Grid(signature, (side,) * dimensions, channels, hidden)


class Grid(nn.Module):
    def __init__(
        self, signature: Signature, shape: tuple[int, ...], channels: int, hidden: int
    ) -> None:
        super().__init__()
        ((self.source, rep),) = signature.inputs.items()
        ((self.target, classes),) = signature.outputs.items()
        self.shape = shape
        convolution = nn.Conv1d if len(shape) == 1 else nn.Conv2d
        self.first = convolution(1, channels, KERNEL, padding="same")
        self.second = convolution(channels, channels, KERNEL, padding="same")
        self.hidden = nn.Linear(channels * rep.dim, hidden)
        self.last = nn.Linear(hidden, classes.dim)

    def forward(self, inputs: Fields) -> Fields:
        x: Tensor = inputs[self.source].unflatten(-1, (1, *self.shape))
        for layer in (self.first, self.second):
            x = silu(layer(x))
        logits = self.last(silu(self.hidden(torch.flatten(x, 1))))
        return {self.target: logits.softmax(-1)}
