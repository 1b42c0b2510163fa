"""Distances of predicted from wanted fields, over real objects."""

from collections.abc import Callable, Iterable, Mapping
from math import frexp

import torch
from torch import Tensor

from remul.fields import Fields, real_fraction, zero_padding
from remul.values import holds

Distance = Callable[[Tensor, Tensor], Tensor]
"""The mean distance of two tensors `(batch, ..., dim)`, zero between equal ones.

Example:
    >>> distance: Distance = mse
"""


def field_distance(
    prediction: Fields,
    target: Fields,
    distance: Distance | Mapping[str, Distance],
    mask: Tensor | None = None,
) -> Tensor:
    """Return the sum over fields of the mean distance between real objects.

    Args:
        prediction: Fields; more than `target` has do not count.
        target: Fields `(batch, ..., dim)`, or ragged ones, which need no mask.
        distance: As `torch.nn.functional.mse_loss`; or one for each field, by its name, where
            fields have scales or weights of their own.
        mask: 1 at real objects, `(batch, n, 1)`; where it is 0 both may hold anything.

    Returns:
        A scalar, in the units of `distance`.

    Raises:
        ValueError: For a field that is not predicted, in another shape, without entries or without
            a distance, for a mask in another shape, and for one without a real object (on a CPU).

    Example:
        >>> x, mask = torch.tensor([[[3.0], [9.0]]]), torch.tensor([[[1.0], [0.0]]])
        >>> field_distance({"x": x}, {"x": 0 * x}, mse, mask)
        tensor(9.)
        >>> by_name = {"x": lambda x, y: mse(x, y) / 3}
        >>> field_distance({"x": x}, {"x": 0 * x}, by_name, mask)
        tensor(3.)
    """
    for name, y in target.items():
        shape = tuple(prediction[name].shape) if name in prediction else "not predicted"
        if shape != tuple(y.shape):
            raise ValueError(f"field {name!r} is {shape}, its target {tuple(y.shape)}")
        if y.numel() == 0:
            raise ValueError(f"field {name!r} has no entries: it is {shape}")
        if isinstance(distance, Mapping) and name not in distance:
            raise ValueError(f"field {name!r} has no distance; there are {', '.join(distance)}")
    _check_mask(mask)
    prediction, target = zero_padding(prediction, mask), zero_padding(target, mask)
    distances = distance if isinstance(distance, Mapping) else dict.fromkeys(target, distance)
    per_field = [
        distances[name](prediction[name], y) / real_fraction(y, mask) for name, y in target.items()
    ]
    return sum(per_field[1:], start=per_field[0])


def norm(x: Tensor) -> Tensor:
    """Return the norms over the last axis, in whatever units: no square vanishes or overflows.

    Scaling by powers of 2 is exact, so this is `x.norm(dim=-1)` to the bit wherever that is right.
    """
    if x.shape[-1] == 0:
        return x.norm(dim=-1)
    largest = frexp(torch.finfo(x.dtype).max)[1] - 2
    exponent = x.detach().abs().amax(-1).frexp().exponent.clamp(-largest, largest)
    scale = torch.ldexp(torch.ones_like(x[..., 0]).detach(), -exponent)
    return (x * scale.unsqueeze(-1)).norm(dim=-1) / scale


def _check_mask(mask: Tensor | None) -> None:
    if mask is None:
        return
    if mask.dim() != 3 or mask.shape[-1] != 1:
        raise ValueError(f"the mask is {tuple(mask.shape)}; it has to be (batch, n, 1)")
    if holds((mask == 0).all()):
        raise ValueError("the mask marks no object as real")


def mean_distance(
    pairs: Iterable[tuple[Fields, Fields]],
    distance: Distance | Mapping[str, Distance],
    mask: Tensor | None,
) -> Tensor:
    """Return the mean of `field_distance` over pairs of prediction and target."""
    return torch.stack([field_distance(*pair, distance, mask) for pair in pairs]).mean()
