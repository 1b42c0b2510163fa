"""Callables of other shapes as models: positional arguments, graph objects, tuples of outputs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from remul.fields import Fields


def adapt(
    model: Callable[..., Any],
    call: Callable[[Any, Fields], Any],
    outputs: str | Sequence[str] | None = None,
) -> nn.Module:
    """Return a model of fields that calls another callable, whatever that takes and gives.

    Args:
        model: Any callable; a module stays one, with its parameters and mode.
        call: Calls it: is given the model and the input fields, and returns what it gives.
        outputs: The name of the one output or those of a tuple, in order; None for outputs that
            have names. An output `(rows,)` becomes a field `(rows, 1)`.

    Returns:
        A module from fields to fields, for every function of this library.

    Raises:
        ValueError: When called, for outputs that are not as many tensors as names.

    Example:
        >>> net = lambda x, scale: (scale * x, x.norm(dim=-1))
        >>> model = adapt(net, lambda net, fields: net(fields["x"], 2), ["x", "length"])
        >>> {name: y.shape for name, y in model({"x": torch.zeros(7, 3)}).items()}
        {'x': torch.Size([7, 3]), 'length': torch.Size([7, 1])}
    """
    return Adapted(model, call, [outputs] if isinstance(outputs, str) else outputs)


class Adapted(nn.Module):
    """A callable of another shape as a model."""

    def __init__(
        self,
        model: Callable[..., Any],
        call: Callable[[Any, Fields], Any],
        names: Sequence[str] | None,
    ) -> None:
        super().__init__()
        self.model, self.call, self.names = model, call, names

    def forward(self, inputs: Fields) -> Fields:
        """Return the outputs by name."""
        outputs = self._name(self.call(self.model, inputs))
        for name, y in outputs.items():
            if not isinstance(y, Tensor):
                raise ValueError(f"the model gives {name!r} as a {type(y).__name__}, not a tensor")
        return {name: y.unsqueeze(-1) if y.dim() == 1 else y for name, y in outputs.items()}

    def _name(self, outputs: object) -> Mapping[str, Any]:
        if self.names is None:
            if not isinstance(outputs, Mapping):
                raise ValueError(f"the model gives a {type(outputs).__name__}: name its outputs")
            return outputs
        values = [*outputs] if isinstance(outputs, Sequence) else [outputs]
        if len(values) != len(self.names):
            names = ", ".join(self.names)
            raise ValueError(f"the model gives {len(values)} outputs, those named are {names}")
        return dict(zip(self.names, values, strict=True))
