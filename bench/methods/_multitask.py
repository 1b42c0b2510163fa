"""What the methods share: the terms of one penalty over SO(3)."""

from functools import partial

from torch import Generator

from bench.plugins import Method, Task
from remul import SO3, Batch, Model, Penalty, Terms, consistency_terms, loss_terms

VARIANTS = {
    "label": loss_terms,
    "functional": consistency_terms,
    "stop_gradient": partial(consistency_terms, stop_gradient=True),
}


def multitask(task: Task, penalty: Penalty, variant: str = "label", samples: int = 1) -> Method:
    """Fit and equivariance over SO(3) as far as the penalty weighs them, in one forward pass.

    Equivariance is anchored at the "label", l(f(g x), g y), or "functional", l(f(g x), g f(x)),
    the latter with "stop_gradient" through the second part on demand; each is the mean over
    `samples` elements per item. Raises `ValueError` for other variants and fewer samples than 1.
    """
    if variant not in VARIANTS:
        raise ValueError(f"no variant {variant!r}; there are {', '.join(VARIANTS)}")
    if samples < 1:
        raise ValueError(f"samples needs to be at least 1, got {samples}")

    def terms(model: Model, batch: Batch, generator: Generator) -> Terms:
        active, g = list(penalty.active), None
        if "equivariance" in active:
            g = [SO3.sample(batch.inputs, generator) for _ in range(samples)]
        return VARIANTS[variant](model, batch, task.signature, g, task.distance, active)

    return Method(terms, penalty)
