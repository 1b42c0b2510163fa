"""Networks from their files, with what each of them can be asked for beside its own options."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.core import plugins

if TYPE_CHECKING:
    from torch import nn

    from remul import Signature


def build_network(name: str, signature: Signature, **options: object) -> nn.Module:
    """Return a network by its name, or path, and its options.

    With `conservative`, its forces are minus the gradient of its energy. Raises `ValueError` where
    the network refuses the signature, or where that has no energy and forces.
    """
    conservative = options.pop("conservative", False)
    build = partial(plugins.load("models", name).build, **options)
    if not conservative:
        return build(signature)
    from models.layers.conservative import Conservative

    return Conservative(build, signature)
