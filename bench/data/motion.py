"""What the tasks of recorded motion share: where are the objects some frames later?"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import mse_loss

from bench.core.contracts import Task
from remul import POINT, SCALAR, SO3, VECTOR, Batch, Rep, Signature, act, groups

ADJACENCY = Rep("2x0e", objects=2)


def make_task(
    splits: Mapping[str, Mapping[str, np.ndarray]], edges: Iterable[tuple[int, int]]
) -> Task:
    """Return the task of arrays position, velocity and target, (samples, n, 3), by split.

    Other arrays are inputs too, one number for each object, (samples, n, 1). The pair field
    `adjacency` marks who is one bond away, and who two. The split "ood" is the test split turned
    uniformly on SO(3), "turned_y" about y.
    """
    scalars = dict.fromkeys(splits["test"].keys() - {"position", "velocity", "target"}, SCALAR)
    inputs = {"position": POINT, "velocity": VECTOR, **scalars, "adjacency": ADJACENCY}
    signature = Signature(inputs, {"position": POINT})
    bonds = adjacency(edges, splits["test"]["position"].shape[1])
    batches = {name: _batch(arrays, bonds) for name, arrays in splits.items()}
    more = {
        "ood": turn(batches["test"], signature, SO3),
        "turned_y": turn(batches["test"], signature, groups.about_axis("y")),
    }
    return Task(signature, **batches, distance=mse_loss, more=more)


def moments(frames: np.ndarray, starts: np.ndarray, later: int) -> dict[str, np.ndarray]:
    """Return positions at the starts, velocities to the next frame, and targets `later` frames on.

    `frames` is (frames, n, 3); velocities are in its unit of length per frame.
    """
    return {
        "position": frames[starts],
        "velocity": frames[starts + 1] - frames[starts],
        "target": frames[starts + later],
    }


def adjacency(edges: Iterable[tuple[int, int]], n: int) -> Tensor:
    """Return who is one bond away from whom, and who two, as 0 and 1, (n, n, 2)."""
    near = torch.zeros(n, n)
    for i, j in edges:
        near[i, j] = near[j, i] = 1
    next_near = (near @ near > 0).float() * (1 - near) * (1 - torch.eye(n))
    return torch.stack([near, next_near], -1)


def turn(batch: Batch, signature: Signature, group: groups.Group) -> Batch:
    """Return the samples, each turned by an element of the group; the same ones every time."""
    g = group.sample(batch.inputs, Generator().manual_seed(0))
    return Batch(act(g, batch.inputs, signature.inputs), act(g, batch.targets, signature.outputs))


def _batch(arrays: Mapping[str, np.ndarray], bonds: Tensor) -> Batch:
    fields = {name: torch.tensor(x, dtype=torch.float32) for name, x in arrays.items()}
    target = fields.pop("target")
    return Batch(
        fields | {"adjacency": bonds.expand(len(target), *bonds.shape)}, {"position": target}
    )
