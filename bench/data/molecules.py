"""What the tasks of molecules share: the heavy atoms later on, or energy and forces now."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.random import default_rng
from torch.nn.functional import mse_loss, one_hot

from bench.core.contracts import Task
from bench.data import field_scores, motion
from bench.data.archive import Arrays
from remul import POINT, SO3, VECTOR, Batch, Rep, Signature, layouts
from remul.fields import BATCH

BOND = 1.6  # Å: heavy atoms nearer than this in the first frame are bonded
ELEMENTS = (1, 6, 7, 8)
FORCES = Signature(
    {"position": POINT, "element": Rep("4x0e")},
    {"energy": Rep("0e", objects=0), "force": VECTOR},
)
SPLITS = ("train", "val", "test")
TURNED = 50  # samples that are turned for the scores
Starts = Mapping[str, np.ndarray]  # frames by split


def heavy_atoms(frames: Arrays, starts: Starts, delta: int) -> Task:
    """Return the task: where are heavy atoms of numbers z and positions R `delta` frames later?

    Inputs are positions in Å, velocities in Å per frame, `charge`, the atomic number over the
    largest, and the bonds. Nothing is centred or scaled.
    """
    heavy = frames["z"] > 1
    numbers, positions = frames["z"][heavy], frames["R"][:, heavy]
    charge = np.broadcast_to((numbers / numbers.max())[:, None], (len(numbers), 1))
    splits = {
        name: motion.moments(positions, at, delta)
        | {"charge": np.broadcast_to(charge, (len(at), *charge.shape))}
        for name, at in starts.items()
    }
    return motion.make_task(splits, bonds(positions[0]))


def forces(frames: Arrays, chosen: Starts) -> Task:
    """Return the task: energies E and forces F from positions R and elements z of single frames.

    Energies are in kcal/mol, less their mean over the training split; forces in kcal/mol/Å. The
    elements H, C, N and O are one-hot. The split "ood" is the test split turned on SO(3).
    """
    unknown = set(frames["z"].tolist()) - set(ELEMENTS)
    if unknown:
        raise ValueError(f"atomic numbers have to be among {ELEMENTS}, found {sorted(unknown)}")
    index = torch.tensor([ELEMENTS.index(z) for z in frames["z"]])
    element, mean = one_hot(index, len(ELEMENTS)).float(), frames["E"][chosen["train"]].mean()
    batches = {}
    for name, at in chosen.items():
        energy = frames["E"][at].reshape(-1, 1) - mean
        batches[name] = Batch(
            {"position": _tensor(frames["R"][at]), "element": element.expand(len(at), -1, -1)},
            {"energy": _tensor(energy), "force": _tensor(frames["F"][at])},
        )
    return _task_of_forces(batches, {"ood": motion.turn(batches["test"], FORCES, SO3)})


def side_by_side(tasks: Sequence[Task]) -> Task:
    """Return the tasks of `forces` of several molecules as one, its samples ragged."""

    def join(batches: Sequence[Batch]) -> Batch:
        ragged = [_as_ragged(batch) for batch in batches]
        sides = layouts.join([batch.inputs for batch in ragged]), [b.targets for b in ragged]
        targets = {name: torch.cat([side[name] for side in sides[1]]) for name in sides[1][0]}
        return Batch(sides[0], targets, {"energy": 0})

    batches = {name: join([getattr(task, name) for task in tasks]) for name in SPLITS}
    return _task_of_forces(batches, {"ood": join([task.more["ood"] for task in tasks])})


def _as_ragged(batch: Batch) -> Batch:
    """Return molecules of one size one below the other."""
    size, n, _ = batch.inputs["position"].shape
    index = torch.arange(size).repeat_interleave(n)
    inputs = {name: x.flatten(0, 1) for name, x in batch.inputs.items()} | {BATCH: index}
    force = batch.targets["force"].flatten(0, 1)
    return Batch(inputs, {"energy": batch.targets["energy"], "force": force}, {"energy": 0})


def _task_of_forces(batches: Mapping[str, Batch], more: Mapping[str, Batch]) -> Task:
    """Return the task, learned in units of the size of its forces, energies too.

    One scale for both keeps forces minus the gradient of an energy.
    """
    test = batches["test"]
    size = float(batches["train"].targets["force"].square().mean().sqrt()) or 1.0

    def distance(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return mse_loss(prediction / size, target / size)

    turned = torch.linspace(0, len(test) - 1, min(TURNED, len(test))).long()
    scores = field_scores.mean_errors(test)
    scores |= field_scores.errors_of_turns(test[turned], FORCES)
    scales = {"energy": size, "force": size}
    return Task(FORCES, **batches, distance=distance, more=more, scores=scores, scales=scales)


def bonds(position: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of atoms nearer than 1.6 Å, each once."""
    apart = np.linalg.norm(position[:, None] - position, axis=-1)
    return np.argwhere(np.triu(apart < BOND, 1)).tolist()


def block_by_time(seed: int, frames: int, later: int, sizes: Mapping[str, int]) -> Starts:
    """Return frames of the first 60 % to train, the next 20 % to validate, the last 20 % to test.

    Nothing `later` than a frame is beyond its part. Those to train are drawn by the seed, the
    others are evenly spaced. Raises `ValueError` for more than there are and a `later` below 0.
    """
    if later < 0:
        raise ValueError(f"targets cannot lie {-later} frames before their inputs")
    ends = {"train": (0, 3), "val": (3, 4), "test": (4, 5)}
    parts = {
        name: np.arange(first * frames // 5, last * frames // 5 - later)
        for name, (first, last) in ends.items()
    }
    check_sizes(sizes, {name: len(part) for name, part in parts.items()})
    train = default_rng(seed).choice(parts["train"], sizes["train"], replace=False)
    spread = {name: np.linspace(0, len(parts[name]) - 1, sizes[name]) for name in ("val", "test")}
    return {"train": train} | {name: parts[name][at.astype(int)] for name, at in spread.items()}


def check_sizes(sizes: Mapping[str, int], available: Mapping[str, int]) -> None:
    """Raise `ValueError` for a split that is empty or larger than what there is for it."""
    for name, size in sizes.items():
        if not 1 <= size <= available[name]:
            raise ValueError(f"{name} has to be from 1 to {available[name]} samples, got {size}")


def _tensor(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float32)
