"""Models alike but for their weights, called as one: the seeds side by side in one batch."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_iter

from remul import Fields

FEW = 32  # objects times heads up to which plain products beat the fused attention of a CPU


class Stacked:
    """Models of one configuration, one per seed, with their weights side by side in one tensor.

    Each model stays whole: its parameters become views of those of `whole`, so that whoever steps
    those has stepped every model. Raises `ValueError` where the models differ in more than weights.
    """

    def __init__(self, models: list[nn.Module]) -> None:
        _check_buffers(models)
        self.models, self.whole = models, deepcopy(models[0])
        stacks: dict[nn.Parameter, nn.Parameter] = {}  # so that what modules share stays shared
        for whole, *parts in zip(*(m.modules() for m in (self.whole, *models)), strict=True):
            own = whole.named_parameters(recurse=False, remove_duplicate=False)
            for name in dict(own):
                weights = [part.get_parameter(name) for part in parts]
                if weights[0] not in stacks:
                    stacks[weights[0]] = _stack(weights)
                setattr(whole, name, stacks[weights[0]])

    def __call__(self, inputs: list[Fields]) -> list[Fields]:
        """Return the outputs of every model for its own inputs, all of the same shapes.

        Raises `ValueError` for inputs of other shapes, and for an operation on weights that has no
        rule here.
        """
        shapes = [{name: field.shape for name, field in x.items()} for x in inputs]
        if len(inputs) != len(self.models) or shapes.count(shapes[0]) != len(shapes):
            raise ValueError("seeds at once need as many inputs as models, all of one shape")
        folded = {name: torch.cat([x[name] for x in inputs]) for name in inputs[0]}
        with _PerSeedWeights(self.whole):
            outputs = self.whole(folded)
        parts = zip(*(x.chunk(len(self.models)) for x in outputs.values()), strict=True)
        return [dict(zip(outputs, values, strict=True)) for values in parts]

    def separate(self) -> None:
        """Give every model weights of its own again."""
        for model in self.models:
            for weight in model.parameters():
                weight.data = weight.data.clone()


def _stack(weights: list[nn.Parameter]) -> nn.Parameter:
    """Return the weights as one leaf (seeds, ...), of which they become views."""
    stacked = torch.stack([weight.detach() for weight in weights])
    for weight, part in zip(weights, stacked.unbind(), strict=True):
        weight.data = part
    return nn.Parameter(stacked, weights[0].requires_grad)


def _check_buffers(models: list[nn.Module]) -> None:
    for name, buffer in models[0].named_buffers():
        if not all(torch.equal(buffer, model.get_buffer(name)) for model in models):
            raise ValueError(f"the buffer {name!r} differs from seed to seed")


class _PerSeedWeights(TorchFunctionMode):
    """Gives each seed's share of the batch its own weights, in the operations that have a rule."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.weights = {id(weight) for weight in whole.parameters()}

    def __torch_function__(
        self, function: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        if function is scaled_dot_product_attention:
            return attention(*args, **(kwargs or {}))
        if any(id(x) in self.weights for x in tree_iter((args, kwargs))):
            function = _rule(function)
        return function(*args, **(kwargs or {}))


def _rule(function: Callable) -> Callable:
    if function not in RULES:
        name = resolve_name(function) or function
        raise ValueError(f"weights of several seeds have no rule for {name}")
    return RULES[function]


class _Linear(torch.autograd.Function):
    """`linear` of x (seeds, rows, in) with weights (seeds, out, in) and biases (seeds, out)."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        if bias is None:
            return x @ weight.mT
        return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        return grad @ weight, grad.mT @ x, grad.sum(1) if ctx.needs_input_grad[2] else None


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    flat = x.reshape(len(weight), -1, x.shape[-1])  # (seeds, batch ... n, in)
    return _Linear.apply(flat, weight, bias).view(*x.shape[:-1], -1)


def _multiply(x: Tensor, y: Tensor) -> Tensor:
    """Return a batch times weights of its last axes, (seeds, ...), in either order."""
    x, weight = (y, x) if isinstance(x, nn.Parameter) else (x, y)
    ones = [1] * (x.dim() - weight.dim())
    shares = x.unflatten(0, (len(weight), -1))  # (seeds, batch, ...)
    return (shares * weight.view(len(weight), 1, *ones, *weight.shape[1:])).flatten(0, 1)


RULES = {linear: _linear, Tensor.mul: _multiply}


def attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """Return attention (batch, heads, n, width); among few objects, as if heads were more of them.

    The fused one starts anew for each sample and head, which costs more than products over all
    heads that hide them from each other, once there are hundreds of samples.
    """
    _, heads, n, width = q.shape
    if heads * n > FEW or attn_mask is not None or q.device.type != "cpu":
        return scaled_dot_product_attention(q, k, v, attn_mask)
    head = torch.arange(n * heads) % heads
    mask = torch.where(head[:, None] == head, 0.0, -torch.inf).to(q)
    q, k, v = (x.transpose(1, 2).flatten(1, 2) for x in (q, k, v))
    shares = torch.baddbmm(mask, q, k.mT, alpha=width**-0.5).softmax(-1)  # (batch, n h, n h)
    return (shares @ v).unflatten(1, (n, heads)).transpose(1, 2)
