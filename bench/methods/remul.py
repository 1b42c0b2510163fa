"""REMUL with a constant penalty: fit the samples and their turned copies together."""

from bench import Method, Task
from bench.methods._multitask import multitask
from remul import Constant


def build(
    task: Task,
    beta: float = 1.0,
    alpha: float = 1.0,
    variant: str = "label",
    samples: int = 1,
    group: str = "task",
) -> Method:
    """The loss alpha l(f(x), y) + beta l(f(g x), g y), g Haar on the group (REMUL, Eq. 6).

    `variant`, `samples` and `group` as in `multitask`. Raises `ValueError` for weights that are
    negative, not finite or both zero, and as `multitask` does.
    """
    return multitask(task, Constant(alpha, beta), variant, samples, group)
