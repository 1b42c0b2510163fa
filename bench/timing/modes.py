"""The rungs of the ladder: eager, compiled or a CUDA graph, and the precision of products."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn

Function = Callable[[], Any]


def applied(mode: str, model: nn.Module) -> nn.Module:
    """The model as the mode runs it, each size compiled for itself."""
    return torch.compile(model, dynamic=False) if mode == "compile" else model


def captured(mode: str, function: Function, device: str) -> Function:
    """The closure as the mode calls it: as it is, or replayed from one CUDA graph.

    The first call makes the graph. Raises `ValueError` where there are no CUDA graphs.
    """
    if mode != "cuda_graph":
        return function
    if device != "cuda":
        raise ValueError("CUDA graphs need a CUDA device")
    made = cache(lambda: graph_of(function))  # keeps the function, whose tensors the graph uses
    return lambda: made().replay()


def graph_of(function: Function) -> torch.cuda.CUDAGraph:
    """The function's work on the GPU, captured after three calls on a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            function()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph


def precise(dtype: str, function: Function, device: str) -> Function:
    """The closure with its matrix products in that precision. Raises `ValueError` without it."""
    if dtype == "float32":
        return function
    if dtype == "tf32" and device != "cuda":
        raise ValueError("tf32 needs a CUDA device")
    context = _tf32 if dtype == "tf32" else lambda: torch.autocast(device, torch.bfloat16)

    def within() -> Any:  # noqa: ANN401 - what the function returns
        with context():
            return function()

    return within


@contextmanager
def _tf32() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
