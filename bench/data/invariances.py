"""What a network with a descriptor of invariances has learned: which, and at what accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import pi

import torch
from torch import Generator, Tensor, nn

from bench.core.contracts import Sampler, Score
from remul import Batch, Fields, Group, Signature, act

QUADRANTS = 4
Corner = tuple[int, ...]  # a 0 or 1 for each family


def find_quadrant(x: Tensor) -> Tensor:
    """Return in which quadrant of their first two components vectors lie, (batch,)."""
    turn = torch.atan2(x[:, 1], x[:, 0]) / (2 * pi)
    return (turn.remainder(1) * QUADRANTS).long().clamp(max=QUADRANTS - 1)


def _identities(size: int, _: Generator) -> Tensor:
    return torch.eye(3, dtype=torch.float64).expand(size, 3, 3)


TRANSLATIONS = Group(_identities, translates=True)


def descriptor_scores(
    test: Batch, signature: Signature, right: Mapping[str, Corner], families: Mapping[str, Sampler]
) -> dict[str, Score]:
    """Return the scores of a model with descriptors, by name; None of other models.

    For each output "accuracy_..." and "fixed_...", the best accuracy of all fixed sets of
    invariances, and "right", how many descriptors round to the invariances that their output has.
    For each family "kept_..." and "lost_...", the cosine of features of a sample and of one that an
    element has changed, where the family alone is switched on, and where it alone is off.
    """
    scores: dict[str, Score] = {"right": partial(count_right, right)}
    for name in right:
        scores[f"accuracy_{name}"] = partial(accuracy, test, name)
        scores[f"fixed_{name}"] = partial(best_fixed, test, name)
    for i, (name, family) in enumerate(families.items()):
        alone = torch.eye(len(families))[i]
        change = partial(invariance, test, signature, family)
        scores |= {
            f"kept_{name}": partial(change, alone),
            f"lost_{name}": partial(change, 1 - alone),
        }
    return scores


def count_right(right: Mapping[str, Corner], model: nn.Module) -> float | None:
    """Return for how many of the outputs the descriptor rounds to the right corner."""
    if not hasattr(model, "descriptor"):
        return None
    rounded = dict(zip(model.heads, model.descriptor.clamp(0, 1).round().tolist(), strict=True))
    return sum(tuple(rounded[name]) == corner for name, corner in right.items())


def accuracy(test: Batch, name: str, model: nn.Module) -> float:
    """Return the share of samples whose class has the largest output."""
    return _share_right(model(test.inputs)[name], test.targets[name])


def best_fixed(test: Batch, name: str, model: nn.Module) -> float | None:
    """Return the accuracy of the best corner of the cube of descriptors."""
    if not hasattr(model, "corners"):
        return None
    x = model.join(test.inputs)
    answers = [model.answer(x, name, 1 + i) for i in range(len(model.corners))]
    return max(_share_right(answer, test.targets[name]) for answer in answers)


def invariance(
    test: Batch, signature: Signature, family: Sampler, descriptor: Tensor, model: nn.Module
) -> float | None:
    """Return the mean cosine of features of samples and of them with an element acting on each."""
    if not hasattr(model, "features"):
        return None
    g = family.sample(test.inputs, Generator().manual_seed(0))
    changed: Fields = act(g, test.inputs, signature.inputs)
    pair = [model.features(model.join(x), descriptor) for x in (test.inputs, changed)]
    return float(torch.cosine_similarity(*pair).mean())


def _share_right(outputs: Tensor, classes: Tensor) -> float:
    return float((outputs.argmax(-1) == classes.argmax(-1)).float().mean())
