"""Models alike but for their weights, called as one: the seeds side by side in one batch."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.func import functional_call, vmap
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_iter, tree_map

from remul import Fields

FEW = 32  # objects times heads up to which plain products beat the fused attention of a CPU


class NoRuleError(ValueError):
    """Weights of several seeds enter an operation that has no rule for them."""


class Stacked:
    """Models of one configuration, one per seed, with their weights side by side in one tensor.

    Each model stays whole: its parameters become views of those of `whole`, so that whoever steps
    those has stepped every model. Seeds lie side by side in one batch where each operation on
    weights has a rule here, which is fastest; else, and where models differ in buffers, or change
    the order of samples and are to be `mapped`, the model is mapped over seeds by `vmap`.
    """

    def __init__(self, models: list[nn.Module], mapped: bool = False) -> None:
        self.models, self.whole = models, deepcopy(models[0])
        self.buffers = _stack_differing_buffers(models)
        self.mapped = mapped or bool(self.buffers)
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

        Raises `ValueError` for inputs of other shapes, and for what `vmap` does not take.
        """
        shapes = [{name: field.shape for name, field in x.items()} for x in inputs]
        if len(inputs) != len(self.models) or shapes.count(shapes[0]) != len(shapes):
            raise ValueError("seeds at once need as many inputs as models, all of one shape")
        if not self.mapped:
            try:
                return self._fold(inputs)
            except NoRuleError:
                self.mapped = True
        return self.map(lambda model, x: model(x), inputs)

    def map(self, function: Callable[[nn.Module, Any], Any], arguments: list[Any]) -> list[Any]:
        """Return the function of every model and its own argument, any tree of tensors.

        Raises `ValueError` for what `vmap` does not take.
        """
        own = {f"model.{name}": weight for name, weight in self.whole.named_parameters()}
        own |= {f"model.{name}": buffer for name, buffer in self.buffers.items()}
        bound = _Bound(function, self.whole)

        def call(state: dict[str, Tensor], argument: Any) -> Any:  # noqa: ANN401 - any tree
            return functional_call(bound, state, (argument,))

        stacked = tree_map(lambda *x: torch.stack(x), *arguments)
        with catch_warnings():
            filterwarnings(
                "ignore", "There is a performance drop"
            )  # of one operation, seed by seed
            try:
                outputs = vmap(call)(own, stacked)
            except RuntimeError as error:
                if not str(error).startswith("vmap: "):
                    raise
                reason = str(error).partition(". ")[0].partition("\n")[0]
                raise ValueError(f"its operations are for one seed ({reason})") from None
        return [tree_map(lambda x, i=i: x[i], outputs) for i in range(len(self.models))]

    def _fold(self, inputs: list[Fields]) -> list[Fields]:
        folded = {name: torch.cat([x[name] for x in inputs]) for name in inputs[0]}
        with _PerSeedWeights(self.whole):
            outputs = self.whole(folded)
        parts = zip(*(x.chunk(len(self.models)) for x in outputs.values()), strict=True)
        return [dict(zip(outputs, values, strict=True)) for values in parts]

    def part_gradients(self) -> None:
        """Give the weights of every model their part of the gradients."""
        for whole, *parts in zip(
            *(m.parameters() for m in (self.whole, *self.models)), strict=True
        ):
            gradients = [None] * len(parts) if whole.grad is None else whole.grad.unbind()
            for part, gradient in zip(parts, gradients, strict=True):
                part.grad = gradient

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


def _stack_differing_buffers(models: list[nn.Module]) -> dict[str, Tensor]:
    own = {
        name: [model.get_buffer(name) for model in models] for name, _ in models[0].named_buffers()
    }
    return {
        name: torch.stack(buffers)
        for name, buffers in own.items()
        if not all(torch.equal(buffers[0], buffer) for buffer in buffers)
    }


class _Bound(nn.Module):
    """A function of a model, as a module that `functional_call` gives other weights."""

    def __init__(self, function: Callable[[nn.Module, Any], Any], model: nn.Module) -> None:
        super().__init__()
        self.function, self.model = function, model

    def forward(self, argument: Any) -> Any:  # noqa: ANN401 - any tree
        return self.function(self.model, argument)


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
        raise NoRuleError(f"weights of several seeds have no rule for {name}")
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
