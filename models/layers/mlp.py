"""Small building blocks of the networks: MLPs, and linear maps that may be empty."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import silu


def mlp(*widths: int, last: bool = False) -> nn.Sequential:
    """Linear layers with SiLU between them, and after the last one too if `last`."""
    layers = [part for pair in pairwise(widths) for part in _dense(*pair)]
    return nn.Sequential(*(layers if last else layers[:-1]))


def _dense(width_in: int, width_out: int) -> tuple[nn.Module, nn.Module]:
    return linear(width_in, width_out), SiLU()


def linear(width_in: int, width_out: int, bias: bool = True) -> nn.Module:
    """`nn.Linear`, or what is left of it when one of the widths is zero."""
    if width_in and width_out:
        return nn.Linear(width_in, width_out, bias)
    return Offset(width_out, bias)


def nearly_zero(net: nn.Sequential) -> nn.Sequential:
    """The same network, its last layer scaled down so that its output starts near zero."""
    quieter(net[-1], 1e-2)
    return net


def quieter(layer: nn.Module, scale: float) -> nn.Module:
    """The same layer, its weights scaled."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(scale)
    return layer


class SiLU(nn.Module):
    """SiLU that overwrites its input, a fresh tensor, where no gradient will ask for it."""

    def forward(self, x: Tensor) -> Tensor:
        return silu(x, inplace=not torch.is_grad_enabled())


class Offset(nn.Module):
    """A linear map without inputs: its bias, zero at first, for every object."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.width = width
        self.bias = nn.Parameter(torch.zeros(width)) if bias and width else None

    def forward(self, x: Tensor) -> Tensor:
        offset = x.new_zeros(self.width) if self.bias is None else self.bias
        return offset.expand(*x.shape[:-1], -1).clone()
