"""Networks from their files, with what each of them can be asked for beside its own options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from bench.core import plugins
from bench.core.config import require_whole
from bench.core.contracts import check_returned

if TYPE_CHECKING:
    from torch import nn

    from remul import Signature

SIZES = {"channels", "heads", "layers"}  # of networks of ours


def build_network(
    name: str,
    signature: Signature,
    scales: Mapping[str, float] | None = None,
    /,
    **options: object,
) -> nn.Module:
    """Return a network by its name, or path, and its options, its outputs times the `scales`.

    With `conservative`, its forces are minus the gradient of its energy. Raises `ValueError` where
    the network refuses the signature, where that has no energy and forces or not the fields that
    are scaled, for different scales of an energy and forces that are its gradient, for sizes below
    1, and where the file builds no network.
    """
    conservative = options.pop("conservative", False)
    build = partial(_build_checked, name, options)
    if conservative:
        from models.layers.conservative import Conservative

        build = partial(Conservative, build)
    network = build(signature)
    if not scales:
        return network
    from models.layers.scaled import Scaled

    return Scaled(network, signature, scales)


def _build_checked(name: str, options: Mapping[str, object], signature: Signature) -> nn.Module:
    from torch import nn

    for option in SIZES & options.keys() if not name.endswith(".py") else ():
        require_whole(option, options[option], 1)
    network = plugins.load("models", name).build(signature, **options)
    return check_returned(network, nn.Module, f"build of {name}")
