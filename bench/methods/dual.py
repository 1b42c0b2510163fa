"""Constrained training: the best fit that keeps the equivariance loss at a stated level."""

from dataclasses import replace

from bench import Method, Task
from bench.methods._multitask import multitask
from remul import Dual


def build(
    task: Task,
    level: float = 1e-3,
    lr: float = 0.03,
    variant: str = "functional",
    samples: int = 1,
    group: str = "task",
) -> Method:
    """beta from `remul.Dual`: l(f(g x), g f(x)) is to end at `level`, in units of the distance.

    `variant`, `samples` and `group` as in `multitask`. Raises `ValueError` as the two do.
    """
    method = multitask(task, Dual(level, lr), variant, samples, group)
    return replace(method, constrained=True)
