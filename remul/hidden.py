"""Hidden features of a network: what its layers put out on the way to the outputs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from remul.fields import Fields


def hidden_features(model: nn.Module, inputs: Fields) -> tuple[Fields, dict[str, Tensor]]:
    """Return the outputs of a model and the features that each of its layers has put out.

    Layers are the entries of the `nn.ModuleList`s that the model itself holds, as the blocks of a
    Transformer. What a layer puts out, a tensor or several, is flattened and joined per object.

    Args:
        model: f.
        inputs: x, not ragged.

    Returns:
        f(x), and the features by the layer's name, `(batch, n, width)`, in the order of the calls.

    Raises:
        ValueError: For a model without layers, and for layers that put out no tensor `(batch, n,
            ...)` or are not called.

    Example:
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layers = torch.nn.ModuleList(map(torch.nn.Linear, (3, 8), (8, 3)))
        ...
        ...     def forward(self, fields):
        ...         first, second = self.layers
        ...         return {"x": second(first(fields["x"].float()))}
        >>> outputs, features = hidden_features(Net(), inputs)
        >>> {name: x.shape for name, x in features.items()}
        {'layers.0': torch.Size([5, 4, 8]), 'layers.1': torch.Size([5, 4, 3])}
    """
    if not list_layers(model):
        raise ValueError(f"{type(model).__name__} holds no nn.ModuleList, so no layers are known")
    with _recording(model) as features:
        outputs = model({**inputs})  # it may take fields out
    if not features:
        raise ValueError(f"{type(model).__name__} does not call the layers that it holds")
    objects = {x.shape[:2] for x in inputs.values() if x.dim() == 3}
    for name, x in features.items():
        if objects and x.shape[:2] not in objects:
            raise ValueError(f"layer {name!r} puts out no features (batch, n, ...)")
    return outputs, features


def list_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the entries of the module lists that a model itself holds, by their names."""
    lists = {n: m for n, m in model.named_children() if isinstance(m, nn.ModuleList)}
    return {f"{name}.{i}": layer for name, each in lists.items() for i, layer in enumerate(each)}


@contextmanager
def _recording(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Let the layers leave what they put out in a dictionary, as long as the context lasts."""
    features: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        return lambda _layer, _inputs, output: features.__setitem__(name, _join(name, output))

    hooks = [layer.register_forward_hook(keep(n)) for n, layer in list_layers(model).items()]  # pyright: ignore
    try:
        yield features
    finally:
        for hook in hooks:
            hook.remove()


def _join(name: str, output: object) -> Tensor:  # (batch, n, width)
    parts = list(output.values()) if isinstance(output, dict) else output
    parts = [parts] if isinstance(parts, Tensor) else parts
    tensors = [x for x in parts if isinstance(x, Tensor)] if isinstance(parts, list | tuple) else []
    if not tensors or any(x.dim() < 3 or x.shape[:2] != tensors[0].shape[:2] for x in tensors):
        raise ValueError(f"layer {name!r} puts out no features (batch, n, ...)")
    return torch.cat([x.flatten(2) for x in tensors], -1)
