"""Distances of predicted from wanted fields, over real objects."""

from collections.abc import Callable, Iterable, Mapping
from math import frexp

import torch
from torch import Tensor

from remul.fields import Fields, Types, check_fields, real_entries
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
    types: Types | None = None,
) -> Tensor:
    """Return the sum over fields of the mean distance between real objects.

    Args:
        prediction: Fields; more than `target` has do not count.
        target: Fields `(batch, ..., dim)`, or ragged ones, which need no mask.
        distance: As `torch.nn.functional.mse_loss`; or one for each field, by its name, where
            fields have scales or weights of their own.
        mask: 1 at real objects, `(batch, n, 1)`; where it is 0 both may hold anything.
        types: What says by `objects` which axes of a field the mask is of. Without them
            `(batch, n, n, dim)` is of pairs.

    Returns:
        A scalar, in the units of `distance`.

    Raises:
        ValueError: For a field that is not predicted, in another shape, without entries or without
            a distance, for a distance that gives no scalar, for a mask of another shape, of other
            samples or of another number of objects, and for one without a real object (on a CPU).

    Example:
        >>> x, mask = torch.tensor([[[3.0], [9.0]]]), torch.tensor([[[1.0], [0.0]]])
        >>> field_distance({"x": x}, {"x": 0 * x}, mse, mask)
        tensor(9.)
        >>> by_name = {"x": lambda x, y: mse(x, y) / 3}
        >>> field_distance({"x": x}, {"x": 0 * x}, by_name, mask)
        tensor(3.)
    """
    _check_pair(prediction, target)
    distances = _list_distances(distance, target)
    if mask is not None:
        _check_mask(mask, target)
    per_field = []
    for name, y in target.items():
        objects = types[name].objects if types and name in types else None
        real = None if mask is None else real_entries(y, mask, objects)
        per_field.append(_average(name, distances[name], prediction[name], y, real))
    return sum(per_field[1:], start=per_field[0])


def _check_pair(prediction: Fields, target: Fields) -> None:
    for fields in (prediction, target):
        check_fields(fields)
    if not target:
        raise ValueError("a distance needs at least one field, the target has none")
    for name, y in target.items():
        shape = tuple(prediction[name].shape) if name in prediction else "not predicted"
        if shape != tuple(y.shape):
            raise ValueError(f"field {name!r} is {shape}, its target {tuple(y.shape)}")
        if y.numel() == 0:
            raise ValueError(f"field {name!r} has no entries: it is {shape}")


def _list_distances(
    distance: Distance | Mapping[str, Distance], target: Fields
) -> Mapping[str, Distance]:
    """Return the distance of each field by its name."""
    by_name = distance if isinstance(distance, Mapping) else dict.fromkeys(target, distance)
    for name in target:
        if name not in by_name:
            raise ValueError(f"field {name!r} has no distance; there are {', '.join(by_name)}")
        if isinstance(by_name[name], type) or not callable(by_name[name]):
            raise ValueError(
                "a distance is a function of two tensors, such as torch.nn.functional.mse_loss, "
                f"got {by_name[name]!r}"
            )
    return by_name


def _check_mask(mask: Tensor, target: Fields) -> None:
    if mask.dim() != 3 or mask.shape[-1] != 1:
        raise ValueError(f"the mask is {tuple(mask.shape)}; it has to be (batch, n, 1)")
    for name, y in target.items():
        if len(y) != len(mask) or not {*y.shape[1:-1][:1]} <= {mask.shape[1]}:
            raise ValueError(
                f"the mask is {tuple(mask.shape)}, field {name!r} {tuple(y.shape)}; "
                "they need one batch and one number of objects"
            )
    if holds((mask == 0).all()):
        raise ValueError("the mask marks no object as real")


def _average(name: str, distance: Distance, x: Tensor, y: Tensor, real: Tensor | None) -> Tensor:
    """Return the mean distance over the real entries, over all where nothing is padded."""
    if real is not None:
        x, y = torch.where(real, x, 0), torch.where(real, y, 0)
    mean = distance(x, y)
    if not isinstance(mean, Tensor) or mean.dim():
        gives = f"a tensor {tuple(mean.shape)}" if isinstance(mean, Tensor) else repr(mean)
        raise ValueError(f"the distance of field {name!r} gives {gives}; it has to be a scalar")
    return mean / (1.0 if real is None else real.to(mean.dtype).mean())


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


def mean_distance(
    pairs: Iterable[tuple[Fields, Fields]],
    distance: Distance | Mapping[str, Distance],
    mask: Tensor | None,
    types: Types | None = None,
) -> Tensor:
    """Return the mean of `field_distance` over pairs of prediction and target."""
    distances = [field_distance(*pair, distance, mask, types) for pair in pairs]
    return torch.stack(distances).mean() if len(distances) > 1 else distances[0]
