"""Gate-points message passing of e3nn (v2106), l = 2, over all pairs."""

from torch import nn

from bench.peers import e3nn_gate_points

PACKAGE = "e3nn"
JOB = "vectors"
OURS = {"name": "nequip", "kwargs": {"layers": 3, "degree": 2}}


def build(neighbours: int | None, channels: int = 24, layers: int = 3) -> nn.Module:
    """The network of `e3nn_gate_points` with irreps up to l = 2."""
    return e3nn_gate_points.build(neighbours, channels, layers, degree=2)
