"""The sweep `forces` on MD17, whose files have to be downloaded."""

from collections.abc import Iterator

from bench import Plugin, Run
from bench.sweeps import forces

TASK = Plugin("md17_forces", {"molecule": "ethanol", "train": 10_000})


def runs() -> Iterator[Run]:
    """The rows of `forces`, with ab initio energies and forces."""
    yield from forces.runs(TASK)
