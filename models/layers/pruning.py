"""Backward passes that leave out what only the fields of a network's own making ask for."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from remul.fields import Fields


def prune(outputs: Fields, leaves: Sequence[Tensor]) -> Fields:
    """Return outputs whose backward pass goes to the leaves alone, those that are to be trained.

    An ordinary pass goes to all that requires a gradient, here also to the places by which an
    energy was differentiated, through all that hangs on these; whose gradients nobody reads. The
    outputs are as they were where a compiler or a transform looks on.
    """
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    captured = leaves and leaves[0].is_cuda and torch.cuda.is_current_stream_capturing()
    if traced or captured or not leaves:
        return outputs
    return dict(zip(outputs, _Prune.apply([*outputs.values()], *leaves), strict=True))


class _Prune(torch.autograd.Function):
    """Outputs as they are, with derivatives in the leaves from a pass that ends there."""

    @staticmethod
    def forward(outputs: list[Tensor], *leaves: Tensor) -> tuple[Tensor, ...]:
        return tuple(x.detach() for x in outputs)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        ctx.outputs, *leaves = inputs
        ctx.save_for_backward(*leaves)

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """The graph is kept, as a loss may also hang on what the network did on its way."""
        leaves = ctx.saved_tensors
        pairs = [
            (y, grad)
            for y, grad in zip(ctx.outputs, grads, strict=True)
            if grad is not None and y.requires_grad
        ]
        if not pairs:
            return (None,) * (1 + len(leaves))
        outputs, slopes = zip(*pairs, strict=True)
        again = torch.is_grad_enabled()
        found = torch.autograd.grad(outputs, leaves, slopes, True, again, allow_unused=True)
        return None, *found
