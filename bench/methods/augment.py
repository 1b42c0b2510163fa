"""Data augmentation: fit samples that are turned at random, uniformly on a group."""

from dataclasses import replace

import torch

from bench import Method, Task
from bench.core.config import require_whole
from bench.methods._multitask import GROUPS, OWN, multitask
from remul import Batch, Constant
from remul.actions import transform
from remul.elements import GroupElement
from remul.layouts import join, layout_of


def build(task: Task, group: str = "task", copies: int | None = None) -> Method:
    """The loss l(f(g x), g y) with a fresh Haar rotation g for each sample and step.

    With `copies` the g are a budget: so many fixed ones for each sample, the same in every run, and
    those of a smaller budget among them. `group` as in `multitask`. Raises `ValueError` as it does,
    and for fewer copies than 1.
    """
    fresh = multitask(task, Constant(alpha=0, beta=1), group=group)
    if copies is None:
        return fresh
    require_whole("copies", copies, 1)
    drawn_from = task.group if group == OWN else GROUPS[group]
    generator = torch.Generator().manual_seed(0)
    poses = [drawn_from.sample(task.train.inputs, generator) for _ in range(copies)]
    fixed = multitask(task, Constant(alpha=1, beta=0))
    return replace(fixed, data=_turn(task, poses), poses=poses)


def _turn(task: Task, poses: list[GroupElement]) -> Batch:
    """Return the training samples in one pose after another."""
    train, signature, layout = task.train, task.signature, layout_of(task.train.inputs)
    inputs = [transform(g, train.inputs, signature.inputs, layout) for g in poses]
    targets = [transform(g, train.targets, signature.outputs, layout) for g in poses]
    return Batch(join(inputs), join(targets), train.objects)
