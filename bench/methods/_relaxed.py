"""What methods for relaxed networks share: the fit, and a cost of the weights beside it."""

from torch import Tensor, nn

from bench import Task
from remul import Batch, Terms, loss_terms


def relaxed_terms(task: Task, model: nn.Module, batch: Batch, cost: Tensor) -> Terms:
    """Return the fit, and a cost of weights in the place of the equivariance loss."""
    fit = loss_terms(model, batch, task.signature, None, task.distance, ["fit"])
    return fit | {"equivariance": cost}


def check_relaxed(model: nn.Module) -> nn.Module:
    """Return the model. Raises `ValueError` for one without a free path."""
    layers = getattr(model, "layers", ())
    if not hasattr(model, "asymmetry") or any(layer.free is None for layer in layers):
        raise ValueError("this method needs a network with a free path, such as emlp:free=True")
    return model
