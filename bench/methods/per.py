"""Projection-based equivariance regulariser: of free weights, what is not equivariant costs."""

from torch import Generator, nn

from bench import Method, Task
from bench.methods._relaxed import check_relaxed, relaxed_terms
from remul import Batch, Constant, Terms


def build(task: Task, beta: float = 1e-2, alpha: float = 1.0) -> Method:
    """The loss alpha fit + beta sum |W - P W|^2, P the projection on equivariant linear maps.

    For `emlp:free=True`, or networks with the same `asymmetry`: PER (Kim et al. 2023). One pass a
    step, and no group elements. Raises `ValueError` for other networks, and as `Constant` does.
    """

    def terms(model: nn.Module, batch: Batch, _: Generator) -> Terms:
        return relaxed_terms(task, model, batch, model.asymmetry())

    return Method(terms, Constant(alpha, beta), wrap=check_relaxed)
