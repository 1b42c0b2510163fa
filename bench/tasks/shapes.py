"""Shapes on a grid that are seen in one pose, and asked for in every pose."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import mse_loss, one_hot

from bench import Task
from remul import Batch, MatrixGroup, Rep, Signature, cyclic, quarter_turns

CLASSES, PLACES, SIDE, LENGTH = 6, 24, 8, 8
DRAWN = 0  # the seed of the shapes, which are the same for every task
POSES = {"quarter_turns": SIDE * SIDE, "shifts": PLACES}  # how many numbers a sample has


def load(
    seed: int,
    kind: str = "quarter_turns",
    train: int = 120,
    val: int = 300,
    test: int = 1000,
    noise: float = 0.3,
) -> Task:
    """Six shapes and noise; the class is the shape, whatever its pose.

    Of `kind` "quarter_turns" they are images of 8 x 8 pixels, one of 4 orientations, of "shifts"
    sequences of 24 places on a ring, one of them where a pattern of 8 begins. All training samples
    are in one pose, those for validation and tests in any; the split "upright" is in the pose of
    training. Classes are one-hot. Scores: "accuracy" and "accuracy_upright". Raises `ValueError`
    for other kinds and sizes below 1.
    """
    if kind not in POSES:
        raise ValueError(f"no kind {kind!r}; there are {', '.join(POSES)}")
    if min(train, val, test) < 1:
        raise ValueError(f"sizes have to be at least 1, got {(train, val, test)}")
    generator = Generator().manual_seed(seed)
    group = MatrixGroup(
        {"grid": quarter_turns(SIDE) if kind == "quarter_turns" else cyclic(PLACES)}
    )
    sizes = {"train": (train, False), "val": (val, True), "test": (test, True)}
    sizes |= {"upright": (test, False)}
    draw = [draw_shapes(kind), group.matrices["grid"].float(), noise, generator]
    splits = {name: _draw(size, posed, *draw) for name, (size, posed) in sizes.items()}
    signature = Signature(
        {"x": Rep(f"{POSES[kind]}x0e", objects=0, space="grid")},
        {"class": Rep(f"{CLASSES}x0e", objects=0)},
    )
    upright = splits.pop("upright")
    scores = {
        "accuracy": lambda model: accuracy(model(splits["test"].inputs), splits["test"]),
        "accuracy_upright": lambda model: accuracy(model(upright.inputs), upright),
    }
    more = {"upright": upright}
    return Task(signature, **splits, distance=mse_loss, more=more, scores=scores, group=group)


def draw_shapes(kind: str) -> Tensor:
    """Return one sample of each class without noise, in the pose of training."""
    generator = Generator().manual_seed(DRAWN)
    if kind == "shifts":
        pattern = torch.randn(CLASSES, LENGTH, generator=generator)
        return torch.cat([pattern, torch.zeros(CLASSES, PLACES - LENGTH)], -1)
    return torch.randn(CLASSES, SIDE, SIDE, generator=generator).sign().flatten(1)


def _draw(
    size: int, posed: bool, shapes: Tensor, poses: Tensor, noise: float, generator: Generator
) -> Batch:
    label = torch.arange(size) % CLASSES
    label = label[torch.randperm(size, generator=generator)]
    pose = torch.randint(len(poses), (size,), generator=generator) * posed  # the first is none
    x = torch.einsum("bij,bj->bi", poses[pose], shapes[label])
    x = x + noise * torch.randn(x.shape, generator=generator)
    return Batch({"x": x}, {"class": one_hot(label, CLASSES).float()})


def accuracy(outputs: dict[str, Tensor], batch: Batch) -> float:
    """Return the share of samples whose class has the largest output."""
    right = outputs["class"].argmax(-1) == batch.targets["class"].argmax(-1)
    return float(right.float().mean())
