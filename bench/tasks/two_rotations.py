"""Two planar vectors and three questions: each needs another invariance."""

from math import pi

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss, one_hot

from bench import Task
from remul import Batch, PlanarGroup, Rep, Signature, act

SECTORS = 6
RIGHT = {"first": (0, 1), "second": (1, 0), "lengths": (1, 1)}  # rotations of which do not matter
RADIUS = 1.1774  # the median length of a vector of N(0, 1)


def load(seed: int, train: int = 2000, val: int = 500, test: int = 2000) -> Task:
    """Vectors u and w from N(0, 1) of the plane; which of three classes is the sample of?

    "first" is the sector of 60 degrees in which u lies, "second" that of w, "lengths" whether u
    and w are longer than the median. Classes are one-hot. Scores: for each question
    "accuracy_...", "fixed_...", the best accuracy of the four fixed sets of invariances, and
    "right", for how many the learned descriptor rounds to the invariances that the question has;
    "kept_..." and "lost_...", the cosine of features of a sample and of one that is turned, for
    invariances that are switched on and off.
    """
    if min(train, val, test) < 1:
        raise ValueError(f"sizes have to be at least 1, got {(train, val, test)}")
    generator = Generator().manual_seed(seed)
    sizes = {"train": train, "val": val, "test": test}
    splits = {name: _draw(size, generator) for name, size in sizes.items()}
    inputs = {name: Rep("2x0e", objects=0, space=name) for name in ("u", "w")}
    outputs = {
        name: Rep(f"{x.shape[1]}x0e", objects=0) for name, x in splits["test"].targets.items()
    }
    signature = Signature(inputs, outputs)
    scores = _scores(splits["test"], signature)
    return Task(signature, **splits, distance=mse_loss, scores=scores, group=None)


def _draw(size: int, generator: Generator) -> Batch:
    u, w = torch.randn(2, size, 2, generator=generator)
    longer = torch.stack([x.norm(dim=-1) > RADIUS for x in (u, w)], -1).long()
    classes = {"first": _sector(u), "second": _sector(w), "lengths": longer @ torch.tensor([2, 1])}
    counts = {"first": SECTORS, "second": SECTORS, "lengths": 4}
    targets = {name: one_hot(label, counts[name]).float() for name, label in classes.items()}
    return Batch({"u": u, "w": w}, targets)


def _sector(x: Tensor) -> Tensor:
    turn = torch.atan2(x[:, 1], x[:, 0]) / (2 * pi)
    return (turn.remainder(1) * SECTORS).long().clamp(max=SECTORS - 1)


def _scores(test: Batch, signature: Signature) -> dict:
    scores = {"right": count_right}
    for name in RIGHT:
        scores[f"accuracy_{name}"] = lambda model, name=name: accuracy(
            model(test.inputs), test, name
        )
        scores[f"fixed_{name}"] = lambda model, name=name: best_fixed(model, test, name)
    for name in ("u", "w"):
        for word, on in (("kept", 1.0), ("lost", 0.0)):
            scores[f"{word}_{name}"] = lambda model, name=name, on=on: invariance(
                model, test, signature, name, on
            )
    return scores


def accuracy(outputs: dict[str, Tensor], test: Batch, name: str) -> float:
    """Return the share of samples whose class has the largest output."""
    return float((outputs[name].argmax(-1) == test.targets[name].argmax(-1)).float().mean())


def best_fixed(model: nn.Module, test: Batch, name: str) -> float | None:
    """Return the accuracy of the best corner of the cube of descriptors."""
    if not hasattr(model, "corners"):
        return None
    x = model.join(test.inputs)
    answers = [{name: model.answer(x, name, 1 + i)} for i in range(len(model.corners))]
    return max(accuracy(answer, test, name) for answer in answers)


def count_right(model: nn.Module) -> float | None:
    """Return for how many of the questions the descriptor rounds to the right corner."""
    if not hasattr(model, "descriptor"):
        return None
    rounded = dict(zip(model.heads, model.descriptor.clamp(0, 1).round().tolist(), strict=True))
    return sum(tuple(rounded[name]) == right for name, right in RIGHT.items())


def invariance(
    model: nn.Module, test: Batch, signature: Signature, name: str, on: float
) -> float | None:
    """Return the mean cosine of features of samples and of them with one field turned.

    The descriptor has only that invariance switched on, or only the other one.
    """
    if not hasattr(model, "features"):
        return None
    turns = PlanarGroup({"u": (0, 0), "w": (0, 0)} | {name: (1,)})
    g = turns.sample(test.inputs, Generator().manual_seed(0))
    turned = act(g, test.inputs, signature.inputs)
    descriptor = torch.tensor([on if field == name else 1 - on for field in ("u", "w")])
    pair = [model.features(model.join(x), descriptor) for x in (test.inputs, turned)]
    return float(torch.cosine_similarity(*pair).mean())
