"""Sizes of networks: the published one of each file, and the width that matches a number."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from bench import plugins

if TYPE_CHECKING:
    from torch import nn

    from remul import Signature

TOLERANCE = 0.05
WIDEST = 1 << 16


def paper(name: str) -> dict[str, Any]:
    """The published configuration that a model's file declares as `PAPER`, read without importing.

    Raises `ValueError` if it declares none.
    """
    found = plugins.published(name)
    if found is None:
        raise ValueError(f"model {name!r} declares no published configuration, PAPER = {{...}}")
    return found


def matched(name: str, signature: Signature, parameters: int, **hparams: Any) -> dict[str, Any]:  # noqa: ANN401 - plain data
    """`hparams` with the `channels` that bring a model within 5 % of a number of parameters.

    Parameters grow with the width, so it is found by bisection; widths that the model refuses are
    passed over. Raises `ValueError` that names the nearest numbers where none is near enough.
    """

    @cache
    def size(channels: int) -> int | None:
        """Parameters at that width; None where the model refuses it."""
        try:
            return _parameters(name, signature, hparams | {"channels": channels})
        except ValueError:
            return None

    below, above = _around(size, parameters)
    sizes = {width: size(width) for width in (below, above) if width}
    near = min(sizes, key=lambda width: abs(sizes[width] - parameters), default=None)
    if near is None or abs(sizes[near] - parameters) > TOLERANCE * parameters:
        there = " and ".join(f"{count:,}" for count in sizes.values()) or "none"
        raise ValueError(
            f"no width gives {name} {parameters:,} parameters within 5 %; nearest: {there}"
        )
    return hparams | {"channels": near}
