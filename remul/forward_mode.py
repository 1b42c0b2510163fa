"""Forward mode at angle zero: a function of an angle and its derivative, from one pass."""

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import jvp
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from remul.fields import Fields
from remul.rotations import EXACT


def differentiate_at_zero(function: Callable[[Tensor], Fields]) -> tuple[Fields, Fields]:
    """Return value and derivative at angle zero, both of which have gradients in the weights."""
    angle = torch.zeros(1, **EXACT)
    with sdpa_kernel(SDPBackend.MATH), _PlainNorms(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)  # torch's own
        value, derivative, *_ = jvp(function, (angle,), (torch.ones_like(angle),))
    return value, derivative


class _PlainNorms(TorchFunctionMode):
    """Norms by plain operations: gradients of the derivatives of torch's own are wrong.

    These hold mean and deviation constant (pytorch#196700, #196699).
    """

    def __torch_function__(
        self, function: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        return RULES.get(function, function)(*args, **(kwargs or {}))


def _layer_norm(
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: bool,
) -> Tensor:
    axes = tuple(range(-len(shape), 0))
    centred = x - x.mean(axes, keepdim=True)
    y = centred * (centred.square().mean(axes, keepdim=True) + eps).rsqrt()
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _batch_norm(
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        raise ValueError("batch norm in training has no right gradients of derivatives in PyTorch")
    return functional.batch_norm(x, mean, variance, weight, bias, False, momentum, eps)


RULES: dict[Callable, Callable] = {
    functional.layer_norm: _layer_norm,
    torch.layer_norm: _layer_norm,
    functional.batch_norm: _batch_norm,
}
