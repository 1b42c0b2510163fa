"""Multilayer perceptrons, and linear layers that may have no inputs or no outputs."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear as linear_map
from torch.nn.functional import silu


def mlp(*widths: int, activate_last: bool = False) -> nn.Sequential:
    """Return linear layers with SiLU between them, and after the last one if `activate_last`.

    Without outputs there are none before the last either: they would have no effect.
    """
    if not widths[-1]:
        return nn.Sequential(linear(widths[-2], 0))
    maps = [linear(*pair) for pair in pairwise(widths)]
    layers = [layer for x in maps for layer in (x, SiLU(x))]
    return nn.Sequential(*(layers if activate_last else layers[:-1]))


def linear(width_in: int, width_out: int, bias: bool = True) -> nn.Module:
    """Return `nn.Linear`, or what is left of it where one of the widths is zero."""
    if width_in and width_out:
        return nn.Linear(width_in, width_out, bias)
    return Bias(width_out, bias)


def join_linear(layer: nn.Module, parts: list[Tensor]) -> Tensor:
    """Return what the layer makes of all parts side by side, (..., width), without copying them.

    A hook of the layer is to see them so: then they are.
    """
    if not isinstance(layer, nn.Linear) or layer._forward_hooks:
        return layer(torch.cat(parts, -1))
    parts = [x for x in parts if x.shape[-1]]
    weights = layer.weight.split([x.shape[-1] for x in parts], 1)
    flat = [x.flatten(0, -2) for x in parts]
    y = linear_map(flat[0], weights[0], layer.bias)
    for x, weight in zip(flat[1:], weights[1:], strict=True):
        y = torch.addmm(y, x, weight.t())
    return y.unflatten(0, parts[0].shape[:-1])


def small_init(net: nn.Sequential) -> nn.Sequential:
    """Return the network with its last layer scaled down, so that its output starts near zero."""
    scale_weights(net[-1], 1e-2)
    return net


def scale_weights(layer: nn.Module, scale: float) -> nn.Module:
    """Return the layer with all its parameters scaled in place."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(scale)
    return layer


class SiLU(nn.Module):
    """SiLU that overwrites its input, a fresh tensor, where no gradient or hook will ask for it.

    The input is what the layer `before` returns, if any.
    """

    def __init__(self, before: nn.Module | None = None) -> None:
        super().__init__()
        self.before = (before,) if before else ()  # in a tuple, as it is no part of this layer

    def forward(self, x: Tensor) -> Tensor:
        hooked = any(module._forward_hooks for module in (self, *self.before))
        return silu(x, inplace=not (torch.is_grad_enabled() or hooked))


class Bias(nn.Module):
    """A linear layer without inputs: its bias, zero at first, for every object."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.width = width
        self.bias = nn.Parameter(torch.zeros(width)) if bias and width else None

    def forward(self, x: Tensor) -> Tensor:
        bias = x.new_zeros(self.width) if self.bias is None else self.bias
        return bias.expand(*x.shape[:-1], -1).clone()  # (..., width)
