"""Models alike but for their weights, called as one: weights stacked, forward pass vectorised."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from remul import Fields

SLOW = "There is a performance drop"  # how torch begins to say that it takes the seeds in turn
PACKED = 32  # objects that one attention takes from several small samples


class Stacked:
    """Models of one configuration, one per seed, with their weights side by side in one tensor.

    Each model stays whole: its parameters become views of `weights`, so that whoever steps those
    has stepped every model. Raises `ValueError` where the models differ in more than weights.
    """

    def __init__(self, models: list[nn.Module]) -> None:
        _check_buffers(models)
        self.models = models
        parameters = zip(*(model.named_parameters() for model in models), strict=True)
        self.weights = {same[0][0]: _stack([weight for _, weight in same]) for same in parameters}
        self._all = vmap(lambda weights, x: functional_call(models[0], weights, (x,)))

    def __call__(self, inputs: list[Fields]) -> list[Fields]:
        """The outputs of every model for its own inputs, all of the same shapes.

        Raises `ValueError` for an operation that `torch.func.vmap` has no rule for, besides what
        that raises itself.
        """
        stacked = {name: torch.stack([x[name] for x in inputs]) for name in inputs[0]}
        with warnings.catch_warnings(), _Attention():
            warnings.filterwarnings("error", SLOW)
            try:
                outputs = self._all(self.weights, stacked)
            except UserWarning as warning:
                operation = str(warning).partition("rule for ")[2].partition(". ")[0]
                raise ValueError(f"torch does not vectorise {operation}") from None
        apart = zip(*(x.unbind() for x in outputs.values()), strict=True)
        return [dict(zip(outputs, values, strict=True)) for values in apart]

    def part(self) -> None:
        """Gives every model weights of its own again."""
        for model in self.models:
            for weight in model.parameters():
                weight.data = weight.data.clone()


def _stack(weights: list[nn.Parameter]) -> Tensor:
    """The weights as one leaf (seeds, ...), of which they become views."""
    stacked = torch.stack([weight.detach() for weight in weights])
    for weight, part in zip(weights, stacked.unbind(), strict=True):
        weight.data = part
    return stacked.requires_grad_(weights[0].requires_grad)


def _check_buffers(models: list[nn.Module]) -> None:
    for name, buffer in models[0].named_buffers():
        if not all(torch.equal(buffer, model.get_buffer(name)) for model in models):
            raise ValueError(f"the buffer {name!r} differs from seed to seed")


class _Attention(TorchFunctionMode):
    """Gives `vmap` a rule for attention on a CPU, where torch would take the seeds in turn."""

    def __torch_function__(
        self, function: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        if function is scaled_dot_product_attention and args[0].device.type == "cpu":
            return _attention(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


def _attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """Attention (batch, heads, n, width) that `vmap` folds into one call over all seeds."""
    return _Folded.apply(q, k, v) if attn_mask is None else _Folded.apply(q, k, v, attn_mask)


class _Folded(torch.autograd.Function):
    """Attention under `vmap` alone: its rule is built of functions that know their gradients."""

    @staticmethod
    def forward(*tensors: Tensor) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def setup_context(ctx: object, inputs: tuple, output: Tensor) -> None:
        """Keeps nothing."""

    @staticmethod
    def vmap(info: NamedTuple, in_dims: tuple, *tensors: Tensor) -> tuple[Tensor, int]:
        """The seeds as more samples; small samples without a mask several at a time."""
        seeds = info.batch_size
        q, k, v, *mask = (
            x.expand(seeds, *x.shape) if dim is None else x.movedim(dim, 0)
            for x, dim in zip(tensors, in_dims, strict=True)
        )
        mask = [x.expand(seeds, q.shape[1], *x.shape[2:]).flatten(0, 1) for x in mask]
        q, k, v = (x.flatten(0, 1) for x in (q, k, v))
        mixed = scaled_dot_product_attention(q, k, v, *mask) if mask else _packed(q, k, v)
        return mixed.unflatten(0, (seeds, -1)), 0


def _packed(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention in which several small samples share a call, each hidden from the others.

    A call costs far more than the arithmetic of a few objects.
    """
    batch, heads, n, _ = q.shape
    share = 1
    while 2 * share * n <= PACKED and batch % (2 * share) == 0:
        share *= 2
    if share == 1 or k.shape != q.shape:
        return scaled_dot_product_attention(q, k, v)
    sample = torch.arange(share * n, device=q.device) // n
    apart = torch.where(sample[:, None] == sample, 0.0, -torch.inf).to(q)  # (objects, objects)
    q, k, v = (
        x.transpose(1, 2).reshape(batch // share, share * n, heads, -1).transpose(1, 2)
        for x in (q, k, v)
    )
    mixed = scaled_dot_product_attention(q, k, v, apart).transpose(1, 2)
    return mixed.reshape(batch, n, heads, -1).transpose(1, 2)
