"""Random generators: one for each purpose, and the global ones that plug-ins may draw from."""

import hashlib
import random  # noqa: TID251 - seeded here for plug-ins, never drawn from
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Generator

from bench.core.config import Run


def rng(purpose: str, seed: int) -> Generator:
    """Return the random generator of one purpose: methods with one seed see the same data."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@contextmanager
def seed_global_generators(run: Run) -> Iterator[None]:
    """Seed the global generators for the run, and leave PyTorch's as it was afterwards.

    It is what initial weights and dropout are drawn from; plug-ins may use NumPy's and Python's.
    """
    seed = rng("weights", run.seed).initial_seed()
    np.random.seed(seed % 2**32)  # noqa: NPY002 - for plug-ins that draw from it
    random.seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        yield


def get_global_state() -> dict[str, Any]:
    """Return the states of the global generators."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - of plug-ins that draw from it
    numpy = (name, keys.tolist(), *rest)
    return {"torch": torch.get_rng_state(), "numpy": numpy, "python": random.getstate()}


def set_global_state(state: dict[str, Any]) -> None:
    """Have the global generators continue where `get_global_state` was called."""
    torch.set_rng_state(state["torch"])
    np.random.set_state(state["numpy"])  # noqa: NPY002 - for plug-ins that draw from it
    random.setstate(state["python"])
