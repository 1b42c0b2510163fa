"""Sizes of networks: the published one of each file, and the width that matches a number."""

from __future__ import annotations

import inspect
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

from bench.core import plugins

if TYPE_CHECKING:
    from torch import nn

    from remul import Signature


TOLERANCE = 0.05
REFUSALS = 64
LARGEST = 10**9


def sized(name: str, size: str, signature: Signature) -> dict[str, object]:
    """The hyperparameters for a size: "default", "paper" or a number of parameters.

    Raises `ValueError` for other sizes, and as `paper` and `matched` do.
    """
    check_size(size)
    if size in ("default", "paper"):
        return paper(name) if size == "paper" else {}
    return matched(name, signature, int(size))


def check_size(size: str) -> None:
    """Raises `ValueError` for what is no size."""
    if size not in ("default", "paper") and not (size.isdigit() and 0 < int(size) <= LARGEST):
        raise ValueError(
            f"a size is default, paper or a number of parameters up to {LARGEST:,}, not {size!r}"
        )


def paper(name: str) -> dict[str, object]:
    """The published configuration that a model's file declares, read without importing it.

    Raises `ValueError` if it declares none.
    """
    found = plugins.published(name)
    if not found:
        raise ValueError(f"model {name!r} declares no published configuration, PAPER = {{...}}")
    return found


def build_matched(name: str, signature: Signature, parameters: int, **hparams: object) -> nn.Module:
    """The model in the width that `matched` finds."""
    hparams = matched(name, signature, parameters, **hparams)
    return plugins.load("models", name).build(signature, **hparams)


def matched(
    name: str, signature: Signature, parameters: int, **hparams: object
) -> dict[str, object]:
    """The hyperparameters with the `channels` that bring a model within 5 % of a size.

    The size grows with the width, so bisection finds it; widths that the model refuses, as those
    that its heads do not divide, are passed over. Raises `ValueError` for a model without a width,
    and one that names the nearest sizes where none is near enough.
    """
    if "channels" not in inspect.signature(plugins.load("models", name).build).parameters:
        raise ValueError(f"model {name!r} has no width to choose; it takes no channels")

    @cache
    def taken(width: int) -> tuple[int, int]:
        """The first width from there on that the model takes, and its size."""
        return _taken(name, signature, width, hparams)

    widest = 1
    while taken(widest)[1] < parameters:
        (width, size), (wider, larger) = taken(widest), taken(2 * widest)
        if wider > width and larger <= size:
            raise ValueError(f"model {name!r} does not grow with its channels")
        widest *= 2
    first = 1 + bisect_left(range(1, widest), True, key=lambda w: taken(w)[1] >= parameters)
    sizes = dict(taken(width) for width in (first - 1, first) if width)
    width = min(sizes, key=lambda width: abs(sizes[width] - parameters))
    if abs(sizes[width] - parameters) > TOLERANCE * parameters:
        near = " or ".join(f"{size:,}" for size in sizes.values())
        raise ValueError(f"{name} has {near} parameters, none within 5 % of {parameters:,}")
    return hparams | {"channels": width}


def _taken(
    name: str, signature: Signature, width: int, hparams: dict[str, object]
) -> tuple[int, int]:
    for channels in range(width, width + REFUSALS):
        try:
            return channels, _size(name, signature, hparams | {"channels": channels})
        except ValueError as error:
            refusal = error
    raise refusal


def _size(name: str, signature: Signature, hparams: dict[str, object]) -> int:
    """Number of parameters, leaving the global random generator as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        model = plugins.load("models", name).build(signature, **hparams)
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
