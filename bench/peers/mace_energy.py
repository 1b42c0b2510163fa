"""MACE of mace-torch: its energy alone, two layers, over all pairs."""

from torch import nn

from bench.peers import mace_forces

PACKAGE = "mace-torch"
JOB = "energy"
OURS = mace_forces.OURS
DIFFERS = mace_forces.DIFFERS
SMALLER = mace_forces.SMALLER


def build(neighbours: int | None) -> nn.Module:
    """The network of `mace_forces`, not differentiated."""
    return mace_forces.build(neighbours, forces=False)
