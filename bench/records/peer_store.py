"""Records of other packages' networks: one file each."""

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from bench.core import plugins

MANY, NEIGHBOURS = 32, 16  # beyond so many objects a graph has so many neighbours an object


def installed(name: str) -> str | None:
    """Version of the package behind a peer, None where it is not installed."""
    try:
        return distribution(plugins.package(name)).version
    except PackageNotFoundError:
        return None


def _known(root: Path, name: str) -> str | None:
    """The version that was measured to the end, if one was."""
    try:
        found = json.loads((root / "peers" / f"{name}.json").read_text())
    except (OSError, ValueError):
        return None
    return None if "reason" in found else found["version"]


def _checked(peer: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if not (isinstance(peer, dict) and {"peer", "version", "cells", "machine"} <= peer.keys()):
        raise ValueError("it lacks the peer, its version, its cells or the machine")
    return peer
