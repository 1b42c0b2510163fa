"""Constant tensors, made once and kept, whatever traces or transforms the first call."""

from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps

from torch import Tensor


def constant(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the function that keeps what `make` returns for each choice of its arguments.

    `make` runs in a thread of its own: fake tensors, `torch.func`, inference mode, autocast and
    default devices are a thread's own, so a plain tensor is kept.
    """
    kept: dict[tuple[Hashable, ...], Tensor] = {}

    @wraps(make)
    def look_up(*args: Hashable) -> Tensor:
        if args not in kept:
            with ThreadPoolExecutor(1) as pool:
                kept[args] = pool.submit(make, *args).result()
        return kept[args]

    # as `torch.compiler.assume_constant_result`, which would import the compiler here
    look_up._dynamo_marked_constant = True  # pyright: ignore[reportAttributeAccessIssue]
    return look_up
