"""Allegro of nequip-allegro: its energy alone, l = 2, over all pairs."""

from torch import nn

from bench.peers import allegro_forces

PACKAGE = "nequip-allegro"
JOB = "energy"
OURS = allegro_forces.OURS
DIFFERS = allegro_forces.DIFFERS


def build(neighbours: int | None) -> nn.Module:
    """The network of `allegro_forces`, not differentiated."""
    return allegro_forces.build(neighbours, forces=False)
