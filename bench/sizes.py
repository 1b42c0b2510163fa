"""How large a model is built: its default, its published size, or a number of parameters."""

from collections.abc import Callable

from bench import plugins
from bench.config import Plugin
from bench.counters import parameters
from bench.tasks.bodies import SIGNATURE
from remul import Signature

NEAR = 0.05  # how far the number of parameters may be from the one that is asked for
SMALLEST, LARGEST = 4, 4096  # channels


def sized(model: str, size: str) -> Plugin:
    """The model in a size: "default", "paper" or a number of parameters.

    Raises `ValueError` for other sizes, without a published size, and if no width comes within
    5 % of the number.
    """
    if size == "default":
        return Plugin(model)
    if size == "paper":
        published = getattr(plugins.load("models", model), "PAPER", None)
        if published is None:
            raise ValueError(f"{model} has no published size; it declares no PAPER")
        return Plugin(model, published)
    if not size.isdigit():
        raise ValueError(f"a size is default, paper or a number of parameters, not {size!r}")
    return matched(model, int(size), SIGNATURE)


def matched(model: str, wanted: int, signature: Signature) -> Plugin:
    """The model with the width that brings its parameters nearest to the number wanted.

    Raises `ValueError` if that is not within 5 %.
    """
    build = plugins.load("models", model).build
    found = _nearest(lambda channels: _parameters(build, signature, channels), wanted)
    if found is None:
        raise ValueError(f"no width of {model} has {wanted:,} parameters within {NEAR:.0%}")
    return Plugin(model, {"channels": found})


def _nearest(count: Callable[[int], int | None], wanted: int) -> int | None:
    """The width nearest to the wanted count, by bisection between widths that can be built."""
    low, high = SMALLEST, SMALLEST
    while high < LARGEST and (count(high) or 0) < wanted:
        low, high = high, 2 * high
    while high - low > 16:
        middle = (low + high) // 2 // 16 * 16
        low, high = (middle, high) if (count(middle) or 0) < wanted else (low, middle)
    counts = {channels: count(channels) for channels in range(low, high + 1)}
    apart = {c: abs(n / wanted - 1) for c, n in counts.items() if n is not None}
    best = min(apart, key=apart.get, default=None)
    return best if best is not None and apart[best] <= NEAR else None


def _parameters(build: Callable, signature: Signature, channels: int) -> int | None:
    """How many weights a width has; None if the model refuses it."""
    try:
        return parameters(build(signature, channels=channels))
    except ValueError:
        return None
