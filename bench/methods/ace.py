"""Adaptive constrained equivariance: free paths beside exact layers are to vanish."""

from torch import Generator, nn

from bench import Method, Task
from remul import Batch, Multipliers, Terms, loss_terms


def build(task: Task, lr: float = 1e-2, slack: float = 0.0, damping: float = 1.0) -> Method:
    """The best fit with gamma_i = 0, or |gamma_i| <= `slack`, in each layer, by dual ascent.

    For `discovery/relaxed_egnn`, whose layers are f_exact + gamma_i f_free, and networks that tell
    their `gammas()` likewise: ACE (Manolache et al. 2025) by `remul.Multipliers`, at a pace for
    runs of a thousand steps. One pass a step, and no group elements. Raises `ValueError` as they
    do, and for other networks.
    """

    def check(model: nn.Module) -> nn.Module:
        if not hasattr(model, "gammas"):
            raise ValueError("ace needs a network with gammas(); discovery/relaxed_egnn has them")
        return model

    def terms(model: nn.Module, batch: Batch, _: Generator) -> Terms:
        fit = loss_terms(model, batch, task.signature, None, task.distance, ["fit"])
        return fit | model.gammas()

    return Method(terms, Multipliers(lr, slack, damping), constrained=True, wrap=check)
