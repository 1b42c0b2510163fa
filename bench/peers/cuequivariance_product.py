"""Tensor products of cuequivariance-torch in our `nequip`, against our own there."""

from torch import nn

from bench.core.networks import build_network
from remul import POINT, SCALAR, VECTOR, Signature

PACKAGE = "cuequivariance-torch"
JOB = "vectors"
OURS = {"name": "nequip", "kwargs": {"layers": 3, "degree": 2}}
DIFFERS = "one network, its products by theirs or our kernel; theirs on a CPU is its method naive"


def build(neighbours: int | None, channels: int = 16, layers: int = 3) -> nn.Module:
    """Our `nequip` with `kernel="cuequivariance"`: `SegmentedPolynomial`, uniform_1d on a GPU."""
    inputs = {"charge": SCALAR, "position": POINT, "velocity": VECTOR}
    options = {"layers": layers, "channels": channels, "degree": 2, "kernel": "cuequivariance"}
    signature = Signature(inputs, {"force": VECTOR})
    return build_network("nequip", signature, neighbours=neighbours, **options).float()
