"""The variants of a function: compiled, a CUDA graph, both or none, and products' precision."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from bench.core.cases import COMPILED, GRAPHED
from bench.training.precision import autocast, check_precision, tf32

Function = Callable[[], Any]


def apply_mode(mode: str, model: nn.Module) -> nn.Module:
    """Return the model as the mode runs it, each size compiled for itself."""
    return torch.compile(model, dynamic=False) if mode in COMPILED else model


def capture(mode: str, function: Function, device: str) -> Function:
    """Return the closure as the mode calls it: as it is, or replayed from one CUDA graph.

    The first call makes the graph. Raises `ValueError` where there are no CUDA graphs.
    """
    if mode not in GRAPHED:
        return function
    if device != "cuda":
        raise ValueError("CUDA graphs need a CUDA device")
    graph = cache(lambda: capture_graph(function))  # keeps the function and the tensors it uses
    return lambda: graph().replay()


def capture_graph(function: Function) -> torch.cuda.CUDAGraph:
    """Return the function's work on the GPU, captured after three calls on a stream of its own."""
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


def set_precision(precision: str, function: Function, device: str) -> Function:
    """Return inference with matrix products in a precision. Raises `ValueError` without it."""
    check_precision(precision, device)
    if precision == "float32":
        return function

    def within() -> Any:  # noqa: ANN401 - what the function returns
        with tf32(precision), autocast(precision, device):
            return function()

    return within
