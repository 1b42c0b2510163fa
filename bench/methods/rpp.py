"""Residual pathway priors: free weights cost more than exact ones, as a Gaussian prior has it."""

from torch import Generator, nn

from bench import Method, Task
from bench.methods._relaxed import check_relaxed, relaxed_terms
from remul import Batch, Constant, Terms


def build(task: Task, exact: float = 1e-2, free: float = 1.0) -> Method:
    """The loss fit - log p(weights) / samples, with precisions of the exact and the free maps.

    For `emlp:free=True`, or networks with the same `prior`: RPP (Finzi et al. 2021). One pass a
    step, and no group elements. Raises `ValueError` for other networks and negative precisions.
    """
    if min(exact, free) < 0:
        raise ValueError(f"precisions have to be at least 0, got {exact}, {free}")
    samples = len(task.train)

    def terms(model: nn.Module, batch: Batch, _: Generator) -> Terms:
        return relaxed_terms(task, model, batch, model.prior(exact, free) / samples)

    return Method(terms, Constant(), wrap=check_relaxed)
