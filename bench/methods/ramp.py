"""REMUL with a scheduled penalty: beta grows along a line, then stays."""

from bench import Method, Task
from bench.methods._multitask import multitask
from remul import Ramp


def build(
    task: Task,
    beta: float = 1.0,
    steps: int = 1000,
    alpha: float = 1.0,
    start: float = 0.0,
    variant: str = "label",
    samples: int = 1,
    group: str = "task",
) -> Method:
    """Weights from `remul.Ramp`: beta goes from `start` to `beta` in the first `steps` steps.

    `variant`, `samples` and `group` as in `multitask`. Raises `ValueError` as the two do.
    """
    return multitask(task, Ramp(beta, steps, alpha, start), variant, samples, group)
