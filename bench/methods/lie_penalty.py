"""The equivariance loss to first order: the penalty of rotations by an angle that goes to zero."""

from torch import Generator

from bench import Method, Task
from remul import SO3, Batch, Constant, Model, Terms, lie_terms, random_axes


def build(task: Task, beta: float = 1.0, alpha: float = 1.0) -> Method:
    """The loss alpha l(f(x), y) + beta l(J v - A f(x), 0) by `remul.lie_terms`, without labels.

    v is the velocity of x about a fresh uniform axis for each sample and step; for a task whose
    output is one invariant number a sample, about all three. Raises `ValueError` for weights as
    `Constant`, and for tasks whose group is not that of all rotations.
    """
    if task.group is not SO3:
        raise ValueError("lie_penalty is for tasks whose group is all rotations")
    penalty = Constant(alpha, beta)
    reps = [*task.signature.outputs.values()]
    invariant = len(reps) == 1 and reps[0].objects == 0 and reps[0].irreps in ("0e", "1x0e")

    def terms(model: Model, batch: Batch, generator: Generator) -> Terms:
        axes = ("x", "y", "z") if invariant else random_axes(batch.inputs, generator)
        return lie_terms(model, batch, task.signature, axes, task.distance, penalty.active)

    return Method(terms, penalty)
