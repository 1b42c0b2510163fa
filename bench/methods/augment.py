"""Data augmentation: fit samples that are turned at random, uniformly on SO(3)."""

from bench.methods._multitask import multitask
from bench.plugins import Method, Task
from remul import Constant


def build(task: Task) -> Method:
    """The loss l(f(g x), g y) with a fresh Haar rotation g for each sample and step."""
    return multitask(task, Constant(alpha=0, beta=1))
