"""What the methods share: the terms of one penalty over SO(3)."""

from torch import Generator

from bench.plugins import Method, Task
from remul import SO3, Batch, Constant, Model, Terms, loss_terms


def multitask(task: Task, penalty: Constant) -> Method:
    """Fit and equivariance over SO(3) as far as the penalty weighs them, in one forward pass."""

    def terms(model: Model, batch: Batch, generator: Generator) -> Terms:
        active = penalty.active
        g = SO3.sample(batch.inputs, generator) if "equivariance" in active else None
        return loss_terms(model, batch, task.signature, g, task.distance, active)

    return Method(terms, penalty)
