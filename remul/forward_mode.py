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
    """Return value and derivative at angle zero, both of which have gradients in the weights.

    Inference mode, where torch 2.11 takes every derivative for zero, is left meanwhile.
    """
    graded = torch.is_grad_enabled()
    with (
        torch.inference_mode(False),
        torch.set_grad_enabled(graded),
        sdpa_kernel(SDPBackend.MATH),
        _PlainNorms(),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)  # torch's own
        angle = torch.zeros(1, **EXACT)
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
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: bool,
) -> Tensor:
    y = _standardise(x, tuple(range(-len(normalized_shape), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _instance_norm(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    running = (running_mean, running_var)
    if not use_input_stats:
        return functional.instance_norm(x, *running, weight, bias, False, momentum, eps)
    if running_mean is not None:  # torch's own moves the running statistics along
        functional.instance_norm(x, *running, momentum=momentum)
    by_channel = (-1, *(1,) * (x.dim() - 2))
    y = _standardise(x, tuple(range(2, x.dim())), eps)
    y = y if weight is None else y * weight.view(by_channel)
    return y if bias is None else y + bias.view(by_channel)


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        raise ValueError("batch norm in training has no right gradients of derivatives in PyTorch")
    return functional.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)


def _standardise(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return centred * (centred.square().mean(axes, keepdim=True) + eps).rsqrt()


def _reorder(rule: Callable) -> Callable:
    """Return the rule for the function of the same name in `torch`, whose weights come first."""

    def reordered(
        x: Tensor, weight: Tensor | None, bias: Tensor | None, *others: Tensor | float | None
    ) -> Tensor:
        running_mean, running_var, batch, momentum, eps, *_ = others
        return rule(x, running_mean, running_var, weight, bias, batch, momentum, eps)

    return reordered


RULES: dict[Callable, Callable] = {
    functional.layer_norm: _layer_norm,
    torch.layer_norm: _layer_norm,
    functional.instance_norm: _instance_norm,
    torch.instance_norm: _reorder(_instance_norm),
    functional.batch_norm: _batch_norm,
    torch.batch_norm: _reorder(_batch_norm),
}
