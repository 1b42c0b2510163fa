"""NequIP of nequip: its energy alone, l = 1, over all pairs."""

from torch import nn

from bench.peers import nequip_forces

PACKAGE = "nequip"
JOB = "energy"
OURS = nequip_forces.OURS


def build(neighbours: int | None) -> nn.Module:
    """The network of `nequip_forces`, not differentiated."""
    return nequip_forces.build(neighbours, forces=False)
