"""What comes from outside: shapes, values as far as they are at hand, devices, generators."""

from collections.abc import Iterable

import torch
from torch import Generator, Tensor, nn


def has_nan(x: Tensor) -> bool:
    """Tell whether a tensor holds a NaN, as far as its values are at hand."""
    return holds(x.isnan()) if x.device.type == "cpu" else False


def holds(claim: Tensor) -> bool:
    """Tell whether a claim holds anywhere, as far as its values are at hand.

    They are on a CPU, outside `torch.compile` and `vmap`.
    """
    if torch.compiler.is_compiling() or claim.device.type != "cpu":
        return False
    try:
        return bool(claim.any())
    except RuntimeError:  # under `torch.func.vmap` a tensor has no truth value
        return False


def send(x: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device; a GPU fetches it while this process goes on."""
    if x.is_cpu and device.type == "cuda" and not torch.compiler.is_compiling():
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)


def to_floats(x: Tensor) -> Tensor:
    """Return a tensor as it is, or whole numbers in torch's default floating dtype."""
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def shape_of(x: object) -> tuple[int, ...]:
    """Return the shape of a tensor; `ValueError` for anything else."""
    if not isinstance(x, Tensor):
        raise ValueError(f"a tensor is needed, got a {type(x).__name__}")
    return tuple(x.shape)


def list_trained(weights: Tensor | nn.Module | Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors, or the parameters of a module, that require a gradient.

    Raises `ValueError` for anything else, and if none does.
    """
    given = weights.parameters() if isinstance(weights, nn.Module) else weights
    several = isinstance(given, Iterable) and not isinstance(given, Tensor)
    trained = []
    for weight in given if several else [given]:
        if not isinstance(weight, Tensor):
            found = type(weight).__name__
            raise ValueError(f"tensors are needed, or a module for its parameters, got a {found}")
        if weight.requires_grad:
            trained.append(weight)
    if not trained:
        raise ValueError("there are no tensors that require a gradient")
    return trained


def check_generator(generator: object) -> None:
    """Raise `ValueError` for what random numbers cannot be drawn from."""
    if not isinstance(generator, Generator):
        raise ValueError(
            "a generator is needed, such as torch.Generator().manual_seed(0), "
            f"got a {type(generator).__name__}"
        )
