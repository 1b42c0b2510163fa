"""Fused attention with the derivatives that its kernels lack: forward mode, and second ones."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return softmax(q k^T / sqrt(width) + bias) v over senders, all (batch, heads, n, width).

    `bias` is what to add to the logits, or a mask of the senders there are. Values and first
    derivatives are those of the fused kernel; a compiler has no others.
    """
    try:
        y = scaled_dot_product_attention(q, k, v, attn_mask=bias)
    except NotImplementedError:  # in forward mode
        with sdpa_kernel(SDPBackend.MATH):
            return scaled_dot_product_attention(q, k, v, attn_mask=bias)
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return y
    return y if _is_composite(y) else _DifferentiateTwice.apply(y, q, k, v, bias)


def _is_composite(y: Tensor) -> bool:
    """Tell whether attention was computed, as can be seen, by products and a softmax."""
    return y.requires_grad and not type(y.grad_fn).__name__.startswith("ScaledDotProduct")


class _DifferentiateTwice(torch.autograd.Function):
    """The result y of a fused kernel as it is, whose gradients have gradients.

    An ordinary gradient goes on to y. One that is to be differentiated again goes past it, straight
    to q, k, v and bias, by products and sums.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        return y.view_as(y)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        if not torch.is_grad_enabled():
            return grad, None, None, None, None
        return None, *_differentiate(grad, *ctx.saved_tensors)

    @staticmethod
    def jvp(ctx: FunctionCtx, tangent: Tensor, *_: Tensor | None) -> Tensor:
        return tangent.view_as(tangent)


def _differentiate(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None
) -> tuple[Tensor | None, ...]:
    """Return the gradients in q, k, v and bias, given that in the attention."""
    scale = q.shape[-1] ** -0.5
    logits, lowest = scale * q @ k.mT, torch.finfo(q.dtype).min
    if bias is not None:
        learned = bias.is_floating_point()
        logits = (logits + bias).clamp_min(lowest) if learned else logits.where(bias, lowest)
    weights = logits.softmax(-1)
    products = grad @ v.mT  # (batch, heads, n, n senders)
    to_logits = weights * (products - (products * weights).sum(-1, keepdim=True))
    to_bias = None
    if bias is not None and bias.requires_grad:
        to_bias = to_logits.sum_to_size(bias.shape)
    return scale * to_logits @ k, scale * to_logits.mT @ q, weights.mT @ grad, to_bias
