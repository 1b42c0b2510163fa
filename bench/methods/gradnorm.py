"""REMUL with a gradual penalty: GradNorm lets both terms train at one pace."""

from bench import Method, Task
from bench.methods._multitask import multitask
from remul import GradNorm


def build(
    task: Task,
    beta: float = 1.0,
    exponent: float = 1.5,
    lr: float = 0.025,
    variant: str = "label",
    samples: int = 1,
    group: str = "task",
) -> Method:
    """Weights from `remul.GradNorm` on the last layer's gradients, starting at 1 and `beta`.

    `variant`, `samples` and `group` as in `multitask`. Raises `ValueError` as the two do.
    """
    return multitask(task, GradNorm(exponent, lr, beta=beta), variant, samples, group)
