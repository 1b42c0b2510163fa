"""Lengths of vectors, with derivatives everywhere and squares in a precision that holds them."""

import torch
from torch import Tensor


def widen(x: Tensor) -> Tensor:
    """Return float16, whose range ends at the square of 256, as float32; all else as it is."""
    return x.float() if x.dtype == torch.float16 else x


def narrow(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what was computed of widened tensors in their own dtype again."""
    return x if x.dtype == dtype else x.to(dtype)


def smooth_length(x: Tensor, dim: int = -1, keepdim: bool = True) -> Tensor:
    """Return the lengths over an axis, never zero, so that they and their logarithms are smooth."""
    tiny = 1e-6 if x.dtype == torch.float16 else 1e-12  # the inverse of its root is a number
    return narrow((widen(x).square().sum(dim, keepdim=keepdim) + tiny).sqrt(), x.dtype)


def log_squared_length(x: Tensor, keepdim: bool = True) -> Tensor:
    """Return log(1 + |x|^2) over the last axis, which keeps wide clouds from blowing up."""
    return narrow(widen(x).square().sum(-1, keepdim=keepdim).log1p(), x.dtype)
