"""Patterns on a ring of four quadrants: does it matter where they are?"""

import torch
from torch import Generator, Tensor
from torch.nn.functional import mse_loss, one_hot

from bench import Task
from remul import Batch, MatrixGroup, Rep, Signature, cyclic

DIGITS, PLACES, LENGTH = 10, 16, 4
PATTERNS = 0  # the seed of the digits, which are the same for every task


def load(
    seed: int, where: bool = False, train: int = 64, val: int = 200, test: int = 1000,
    noise: float = 0.2,
) -> Task:  # fmt: skip
    """One of ten patterns of 4 pixels in one of 4 quadrants of a ring of 16, and noise.

    The class is the pattern, or with `where` pattern and quadrant, one of 40: the four-quadrant
    digits of van der Ouderaa et al. (2023) in one dimension. Classes are one-hot. Scores:
    "accuracy" and, of models that have it, "log_evidence" of a sample.

    Known answers. What no shift changes cannot tell quadrants: an accuracy of 1/4 at best with
    `where`. Raises `ValueError` for sizes below 1.
    """
    if min(train, val, test) < 1:
        raise ValueError(f"sizes have to be at least 1, got {(train, val, test)}")
    patterns = torch.randn(DIGITS, LENGTH, generator=Generator().manual_seed(PATTERNS))
    generator = Generator().manual_seed(seed)
    splits = {}
    for name, size in {"train": train, "val": val, "test": test}.items():
        splits[name] = _draw(size, patterns, where, noise, generator)
    classes = splits["test"].targets["class"]
    signature = Signature(
        {"x": Rep(f"{PLACES}x0e", objects=0, space="ring")},
        {"class": Rep(f"{classes.shape[1]}x0e", objects=0)},
    )
    x = splits["test"].inputs
    scores = {
        "accuracy": lambda model: _accuracy(model(x)["class"], classes),
        "log_evidence": lambda model: getattr(model, "log_evidence", None),
    }
    ring = MatrixGroup({"ring": cyclic(PLACES)})
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=ring)


def _draw(size: int, patterns: Tensor, where: bool, noise: float, generator: Generator) -> Batch:
    digit = torch.arange(size) % DIGITS
    digit = digit[torch.randperm(size, generator=generator)]
    quadrant = torch.randint(PLACES // LENGTH, (size,), generator=generator)
    canvas = torch.zeros(size, PLACES // LENGTH, LENGTH)
    canvas[torch.arange(size), quadrant] = patterns[digit]
    x = canvas.flatten(1) + noise * torch.randn(size, PLACES, generator=generator)
    label = digit + DIGITS * quadrant if where else digit
    count = DIGITS * (PLACES // LENGTH) if where else DIGITS
    return Batch({"x": x}, {"class": one_hot(label, count).float()})


def _accuracy(outputs: Tensor, classes: Tensor) -> float:
    return float((outputs.argmax(-1) == classes.argmax(-1)).float().mean())
