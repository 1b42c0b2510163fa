"""Counts that do not depend on the clock: parameters, FLOPs, dispatched operations, bytes."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from bench.training.flops import flops, parameters

Function = Callable[[], Any]


def count(
    model: nn.Module, inference: Function, step: Function | None = None
) -> dict[str, int | None]:
    """Return counters of one inference call, and with the prefix `step_` of one training step.

    `flops` are those of matrix products and attention; `moved_bytes` what all operations read and
    write; `peak_bytes` the most that was alive at once, of what the call itself made.
    """
    counts = {"parameters": parameters(model)} | _count(inference)
    if step:
        counts |= {f"step_{name}": number for name, number in _count(step).items()}
    return counts


def graph_breaks(model: nn.Module, inputs: dict[str, Tensor]) -> int:
    """Return how often `torch.compile` has to leave the graph of one inference call."""
    torch._dynamo.reset()
    with torch.no_grad():
        return torch._dynamo.explain(model)(inputs).graph_break_count


def peak_bytes(function: Function) -> int:
    """Return the most that was alive at once during a call, as in `count`."""
    with _Counter() as counter:
        function()
    return counter.peak


def _count(function: Function) -> dict[str, int | None]:
    with _Counter() as counter:
        function()
    return {
        "flops": flops(function),
        "dispatched_ops": counter.operations,
        "moved_bytes": counter.moved,
        "peak_bytes": counter.peak,
    }


class _Counter(TorchDispatchMode):
    """Sees every operation that reaches a kernel, and every storage until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.moved = self.alive = self.peak = 0
        self.known: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204 - torch
        kwargs = kwargs or {}
        taken = _storages((args, kwargs))
        result = func(*args, **kwargs)
        given = _storages(result)
        self.operations += 1
        if not getattr(func, "is_view", False):
            self.moved += _bytes((args, kwargs)) + _bytes(result)
        for storage in given.keys() - taken.keys():
            self._note_born(given[storage])
        return result

    def _note_born(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self.known:
            return
        size, key = storage.nbytes(), storage._cdata
        self.alive += size
        self.peak = max(self.peak, self.alive)
        self.known[key] = weakref.ref(storage, lambda _: self._note_freed(key, size))

    def _note_freed(self, key: int, size: int) -> None:
        if self.known.pop(key, None):
            self.alive -= size


def _tensors(tree: Any) -> list[Tensor]:  # noqa: ANN401 - arguments or results of an operation
    return [leaf for leaf in tree_iter(tree) if isinstance(leaf, Tensor)]


def _storages(tree: Any) -> dict[int, torch.UntypedStorage]:  # noqa: ANN401
    return {(s := x.untyped_storage())._cdata: s for x in _tensors(tree)}


def _bytes(tree: Any) -> int:  # noqa: ANN401
    return sum(x.numel() * x.element_size() for x in _tensors(tree))
