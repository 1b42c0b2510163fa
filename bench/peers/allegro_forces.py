"""Allegro of nequip-allegro: energies and forces by differentiation, l = 2, over all pairs."""

from functools import partial

from torch import nn

from bench.peers import nequip_forces

PACKAGE = "nequip-allegro"
JOB = "forces"
OURS = {"name": "nequip", "kwargs": {"layers": 2, "degree": 2}}
DIFFERS = "another kind: theirs has features of pairs, and no messages beyond neighbours"


def build(neighbours: int | None, forces: bool = True) -> nn.Module:
    """`allegro.model.AllegroModel`, two layers of 64 scalars and 32 tensors."""
    from allegro.model import AllegroModel

    make = partial(
        AllegroModel,
        l_max=2,
        radial_chemical_embed={"_target_": "allegro.nn.TwoBodyBesselScalarEmbed"},
        num_layers=2,
        num_scalar_features=64,
        num_tensor_features=32,
    )
    return nequip_forces.Peer(neighbours, make, forces)
