"""Products of senders with harmonics in blocks of edges that stay in the cache.

They are functions of PyTorch with two derivatives of their own, and others by its rules. Nothing as
large as edges times channels is kept: each derivative computes the weights of the edges again.
"""

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.function import FunctionCtx

from models.layers.product_derivatives import (
    Sums,
    collect,
    differentiate,
    differentiate_twice,
    multiply,
)


def can_block(x: Tensor) -> bool:
    """Tell whether products with edges x may be in blocks: in plain eager mode alone.

    A compiler cuts them itself; transforms of functions, forward mode and autocast have rules of
    their own for each operation.
    """
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    if traced or forward_ad._current_level >= 0 or torch.is_autocast_enabled(x.device.type):
        return False
    return x.numel() > 0


def sum_blocks(
    sums: Sums, hidden: Tensor, weight: Tensor, senders: list[Tensor], matrices: list[Tensor]
) -> tuple[Tensor, ...]:
    """Return the sums of each path, (rows, 2 l_out + 1, c), given V of all, (paths c, width).

    Senders lie as `Senders.take` asks for.
    """
    weights = weight.split(weight.shape[0] // len(sums.paths))
    return _Sum.apply(sums, hidden, *weights, *senders, *matrices)


class _Sum(torch.autograd.Function):
    """The sums, whose derivatives are of `_Slopes` where they are to be differentiated again."""

    @staticmethod
    def forward(sums: Sums, *flat: Tensor) -> tuple[Tensor, ...]:
        return multiply(sums, collect(sums, flat))

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        _keep(ctx, inputs, inputs[0], 1)

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted = _find_wanted(ctx)[1:]
        slopes = _Slopes.apply if torch.is_grad_enabled() else differentiate
        return None, *slopes(ctx.sums, wanted, *grads, *ctx.saved_tensors)


class _Slopes(torch.autograd.Function):
    """The derivatives of `_Sum`, which have derivatives as well."""

    @staticmethod
    def forward(sums: Sums, wanted: list[bool], *flat: Tensor | None) -> tuple[Tensor | None, ...]:
        return differentiate(sums, wanted, *flat)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: tuple[Tensor | None, ...]) -> None:
        _keep(ctx, inputs, inputs[0], 2)

    @staticmethod
    def backward(ctx: FunctionCtx, *changes: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted = _find_wanted(ctx)[2:]
        return None, None, *differentiate_twice(ctx.sums, wanted, changes, ctx.saved_tensors)


def _keep(ctx: FunctionCtx, inputs: tuple, sums: Sums, start: int) -> None:
    ctx.set_materialize_grads(False)
    ctx.sums, ctx.are_tensors = sums, [isinstance(x, Tensor) for x in inputs]
    ctx.save_for_backward(*inputs[start:])


def _find_wanted(ctx: FunctionCtx) -> list[bool]:
    """Return whether the pass under way asks for the derivative in each of the inputs."""
    nodes = iter(ctx.next_functions)  # of the inputs that are tensors
    asked = [tensor and _is_reached(next(nodes)[0]) for tensor in ctx.are_tensors]
    return [needs and ask for needs, ask in zip(ctx.needs_input_grad, asked, strict=True)]


def _is_reached(node: object) -> bool:
    """Tell whether a backward pass leads to a node; of a leaf it cannot be told."""
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError:
        return True
