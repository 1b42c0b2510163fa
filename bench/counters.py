"""Counts that do not depend on the clock: parameters, FLOPs, dispatched operations, bytes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


def count(model: nn.Module, inference: Callable[[], Any], device: str) -> dict[str, int | None]:
    """Counters of one inference call; `flops` sees matrix products only.

    `peak_bytes` is None on a CPU, where nothing counts them.
    """
    return {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "flops": _flops(inference),
        "dispatched_ops": _operations(inference),
        "peak_bytes": _peak_bytes(inference) if device != "cpu" else None,
    }


def _flops(function: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


class _Counter(TorchDispatchMode):
    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204 - torch
        self.total += 1
        return func(*args, **(kwargs or {}))


def _operations(function: Callable[[], Any]) -> int:
    with _Counter() as counter:
        function()
    return counter.total


def _peak_bytes(function: Callable[[], Any]) -> int:
    torch.cuda.reset_peak_memory_stats()
    function()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()
