"""The precision of matrix products: float32, tf32 on a GPU, bf16 by autocast."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def check_precision(precision: str, device: str) -> None:
    """Raise `ValueError` for a precision that the device does not have."""
    if precision == "tf32" and device != "cuda":
        raise ValueError("tf32 needs a CUDA device")


def autocast(precision: str, device: str) -> torch.autocast:
    """Return the context of a forward pass."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def tf32(precision: str) -> Iterator[None]:
    """Allow tf32 in forward and backward passes, if that is the precision."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = before or precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
