"""Curvature of a network's loss in all its weights: the whole matrix, or its Kronecker factors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Calls = dict[str, list[tuple[Tensor, Tensor]]]  # by layer: what went in and came out, each call


@dataclass(frozen=True)
class Dense:
    """The generalised Gauss-Newton matrix J^T L J, (P, P), at variance 1."""

    matrix: Tensor
    group: Tensor  # (P,), of each weight

    def plus_prior(self, log_precision: Tensor, scale: Tensor) -> Tensor:
        """Return the Hessian of the negative log-posterior."""
        return self.matrix * scale + torch.diag(log_precision[self.group].exp())

    def log_determinant(self, log_precision: Tensor, scale: Tensor) -> Tensor:
        """Return that of the same, with a gradient that costs one inverse."""
        hessian = self.plus_prior(log_precision, scale)
        root = torch.linalg.cholesky(hessian.detach())
        slope = (torch.cholesky_inverse(root) * hessian).sum()  # d log|H| = tr H^-1 dH
        return 2 * root.diagonal().log().sum() + slope - slope.detach()

    def dimensions(self, log_precision: Tensor, scale: Tensor) -> Tensor:  # (groups,)
        """Return how many weights of each group the data determine: P_l - precision tr Sigma_l."""
        root = torch.linalg.cholesky(self.plus_prior(log_precision, scale))
        variance = torch.cholesky_inverse(root).diagonal()
        determined = 1 - log_precision[self.group].exp() * variance
        return torch.zeros_like(log_precision).index_add(0, self.group, determined)


@dataclass(frozen=True)
class Kronecker:
    """A block A x B for each matrix of weights (Martens & Grosse 2015), by its eigenvalues.

    A sums a a^T over what goes into a layer, B averages g g^T over the slopes at what comes out; a
    layer that is called at many places sums over them, too. Exact for a linear map.
    """

    spectrum: Tensor  # (P,)
    group: Tensor

    def log_determinant(self, log_precision: Tensor, scale: Tensor) -> Tensor:
        """Return that of the curvature and the prior."""
        return (self.spectrum * scale + log_precision[self.group].exp()).log().sum()

    def dimensions(self, log_precision: Tensor, scale: Tensor) -> Tensor:  # (groups,)
        """Return how many weights of each group the data determine."""
        curved = self.spectrum * scale
        determined = curved / (curved + log_precision[self.group].exp())
        return torch.zeros_like(log_precision).index_add(0, self.group, determined)


def factorise(model: nn.Module, rows: Callable[[], Tensor], group: Tensor) -> Kronecker:
    """Return the factors of the curvature sum_c J_c^T J_c of `rows`, (samples, components).

    Raises `ValueError` for weights that are in no `nn.Linear`.
    """
    names = [name for name, _ in model.named_parameters()]
    linear = {name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    others = [name for name in names if name.rpartition(".")[0] not in linear]
    if others:
        raise ValueError(f"no Kronecker factors of {', '.join(others)}, which no nn.Linear has")
    with record_calls(model) as calls:
        values = rows()
    outputs = [y for layer in calls.values() for _, y in layer]
    slopes = [
        torch.autograd.grad(component.sum(), outputs, retain_graph=True)
        for component in values.unbind(-1)
    ]  # by component, of each call
    parts, start = {}, 0
    for name, layer in calls.items():
        x = torch.cat([x.reshape(-1, x.shape[-1]) for x, _ in layer])
        ends = range(start, start + len(layer))
        g = torch.cat([each[i].reshape(-1, each[i].shape[-1]) for each in slopes for i in ends])
        start += len(layer)
        inner, outer = (torch.linalg.eigvalsh(m.mT @ m).clamp_min(0) for m in (x, g))
        parts[f"{name}.weight"] = torch.outer(outer / len(x), inner).flatten()
        parts[f"{name}.bias"] = outer
    return Kronecker(torch.cat([parts[name] for name in names]).detach(), group)


@contextmanager
def record_calls(model: nn.Module) -> Iterator[Calls]:
    """Keep what goes into and comes out of each linear layer of a model."""
    calls: Calls = {}
    hooks = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):

            def keep(_: nn.Module, inputs: tuple[Tensor], output: Tensor, name: str = name) -> None:
                calls.setdefault(name, []).append((inputs[0].detach(), output))

            hooks.append(layer.register_forward_hook(keep))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()
