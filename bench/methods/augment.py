"""Data augmentation: fit samples that are turned at random, uniformly on a group."""

from bench import Method, Task
from bench.methods._multitask import multitask
from remul import Constant


def build(task: Task, group: str = "task") -> Method:
    """The loss l(f(g x), g y) with a fresh Haar rotation g for each sample and step.

    `group` as in `multitask`. Raises `ValueError` as it does.
    """
    return multitask(task, Constant(alpha=0, beta=1), group=group)
