"""REMUL with a tolerance: an equivariance loss below a level costs nothing."""

from bench import Method, Task
from bench.methods._multitask import multitask
from remul import Hinge


def build(
    task: Task,
    level: float = 1e-3,
    beta: float = 1.0,
    alpha: float = 1.0,
    variant: str = "functional",
    samples: int = 1,
    group: str = "task",
) -> Method:
    """The loss alpha fit + beta relu(l(f(g x), g f(x)) - level), in units of the distance.

    `variant`, `samples` and `group` as in `multitask`. Raises `ValueError` as the two do.
    """
    return multitask(task, Hinge(level, beta, alpha), variant, samples, group)
