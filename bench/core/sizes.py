"""Sizes of networks: the published one of each file, and the width that matches a number."""

from __future__ import annotations

import inspect
import re
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

from bench.core import networks, plugins
from bench.core.outcomes import outcome

if TYPE_CHECKING:
    from torch import nn

    from remul import Signature


TOLERANCE = 0.05
REFUSALS = 64
LARGEST = 10**8


def options_for_size(
    name: str, size: str, signature: Signature, **hparams: object
) -> dict[str, object]:
    """Return the options for a size, "default", "paper" or a number of parameters, and those given.

    Raises `ValueError` for other sizes, and as `paper_options` and `match_width` do.
    """
    check_size(size)
    if size in ("default", "paper"):
        return (paper_options(name) if size == "paper" else {}) | hparams
    return match_width(name, signature, int(size), **hparams)


def check_size(size: str) -> None:
    """Raise `ValueError` for what is no size."""
    number = int(size) if re.fullmatch("[1-9][0-9]{0,15}", size) else 0
    if size not in ("default", "paper") and not 0 < number <= LARGEST:
        raise ValueError(
            f"a size is default, paper or a number of parameters up to {LARGEST:,}, not {size!r}"
        )


def paper_options(name: str) -> dict[str, object]:
    """Return the published configuration that a model's file declares, without importing it.

    Raises `ValueError` if it declares none.
    """
    options = plugins.paper_options(name)
    if not options:
        raise ValueError(f"model {name!r} declares no published configuration, PAPER = {{...}}")
    return options


def build_matched(name: str, signature: Signature, parameters: int, **hparams: object) -> nn.Module:
    """Build a model in the width that `match_width` chooses."""
    hparams = match_width(name, signature, parameters, **hparams)
    return networks.build_network(name, signature, **hparams)


def match_width(
    name: str, signature: Signature, parameters: int, **hparams: object
) -> dict[str, object]:
    """Return the options with the `channels` that bring a model within 5 % of a size.

    The size grows with the width, so bisection finds it; widths that the model refuses, as those
    that its heads do not divide, are passed over. Raises `ValueError` for a model without a width,
    for whatever else its code raises, and one that names the nearest sizes where none is near.
    """
    if "channels" not in inspect.signature(plugins.load("models", name).build).parameters:
        raise ValueError(f"model {name!r} has no width to choose; it takes no channels")

    @cache
    def measure(width: int) -> tuple[int, int]:
        """Return the first width from there on that the model accepts, and its size."""
        return _next_width(name, signature, width, hparams)

    widest = 1
    while measure(widest)[1] < parameters:
        (width, size), (wider, larger) = measure(widest), measure(2 * widest)
        if wider > width and larger <= size:
            raise ValueError(f"model {name!r} does not grow with its channels")
        widest *= 2
    first = 1 + bisect_left(range(1, widest), True, key=lambda w: measure(w)[1] >= parameters)
    sizes = dict(measure(width) for width in (first - 1, first) if width)
    width = min(sizes, key=lambda width: abs(sizes[width] - parameters))
    if abs(sizes[width] - parameters) > TOLERANCE * parameters:
        near = " or ".join(f"{size:,}" for size in sizes.values())
        raise ValueError(f"{name} has {near} parameters, none within 5 % of {parameters:,}")
    return hparams | {"channels": width}


def _next_width(
    name: str, signature: Signature, width: int, hparams: dict[str, object]
) -> tuple[int, int]:
    refusal = ValueError(f"model {name!r} accepts no width")
    for channels in range(width, width + REFUSALS):
        try:
            return channels, _count_parameters(name, signature, hparams | {"channels": channels})
        except ValueError as error:
            refusal = error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ValueError(f"model {name!r}: {outcome(error)['reason']}") from None
    raise refusal


def _count_parameters(name: str, signature: Signature, hparams: dict[str, object]) -> int:
    """Return the number of parameters, leaving the global random generator as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        model = networks.build_network(name, signature, **hparams)
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
