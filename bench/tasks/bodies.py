"""Any number of random bodies that fly straight on: a task for the clock, not for accuracy."""

import torch
from torch import Generator
from torch.nn.functional import mse_loss

from bench import Task
from remul import POINT, SCALAR, VECTOR, Batch, Signature

INPUTS = {"charge": SCALAR, "position": POINT, "velocity": VECTOR}
SIGNATURE = Signature(INPUTS, {"position": POINT})


def load(seed: int, nodes: int = 5, train: int = 128, val: int = 1, test: int = 1) -> Task:
    """Charge, position and velocity, all standard normal; the target is position + velocity.

    Fields are float32, (samples, nodes, dim), without units. The fields of the charged N-body
    problem (Satorras et al. 2021) at any size, without a simulation. Raises `ValueError` for sizes
    below 1.
    """
    if min(nodes, train, val, test) < 1:
        raise ValueError(f"sizes have to be at least 1, got {nodes=}, {train=}, {val=}, {test=}")
    generator = Generator().manual_seed(seed)
    splits = {
        name: _batch(size, nodes, generator)
        for name, size in (("train", train), ("val", val), ("test", test))
    }
    return Task(SIGNATURE, **splits, distance=mse_loss)


def _batch(size: int, nodes: int, generator: Generator) -> Batch:
    inputs = {
        name: torch.randn(size, nodes, rep.dim, generator=generator) for name, rep in INPUTS.items()
    }
    return Batch(inputs, {"position": inputs["position"] + inputs["velocity"]})
