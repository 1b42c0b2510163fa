"""The error of a trained model against the angle to the nearest pose that it was trained in."""

from collections.abc import Iterable

import torch
from torch import Generator, Tensor

from remul.actions import check_elements, list_elements, transform
from remul.batches import Batch
from remul.checks import check_labels, predict
from remul.distances import norm
from remul.elements import Element
from remul.error_profiles import PoseShift
from remul.fields import Model, Signature
from remul.groups import rotations_by_angle
from remul.metrics import flatten
from remul.rotations import EXACT

WIDTH_DEG = 15
LEAST = 0.01  # share of the test poses below which an interval has no mean


def error_by_nearest_pose(
    model: Model,
    batch: Batch,
    signature: Signature,
    poses: Element | Iterable[Element],
    generator: Generator,
    count: int = 4,
) -> PoseShift:
    """Return the error |f(g x) - g y| on training samples by the angle from g to the nearest pose.

    Each sample is turned from a random one of its poses by angles up to 180 degrees; what counts is
    the angle to the nearest of all. If errors grow with it, the model knows poses, not rotations.

    Args:
        model: f.
        batch: Training samples x and their targets y.
        signature: The types of both.
        poses: The rotations in which it saw them, each with one entry per sample or one for all; no
            turn is one, too, if it saw them as they are.
        generator: Of the test poses.
        count: Number of test poses for each sample and step of 15 degrees.

    Returns:
        The mean error in each interval of 15 degrees that holds 1 % of the test poses or more, at
        its centre: angles `(intervals,)` and errors `(intervals, 1)`, in units of the output.

    Raises:
        ValueError: As `loss_terms`, for other poses or none, and for a count below 1.

    Example:
        >>> as_they_are = rotations_by_angle(0, 0).sample(inputs, generator)
        >>> curve = error_by_nearest_pose(exact, batch, signature, as_they_are, generator)
        >>> curve.angles_deg[:3], curve.errors.shape
        (tensor([ 7.5000, 22.5000, 37.5000], dtype=torch.float64), torch.Size([12, 1]))
    """
    layout, known = check_labels(batch, signature), list_elements(poses)
    check_elements(known, (Element,))
    if count < 1:
        raise ValueError(f"there has to be at least one test pose, got {count}")
    types, angles, errors = signature.outputs, [], []
    for low in [*range(0, 180, WIDTH_DEG)] * count:
        turns = rotations_by_angle(low, low + WIDTH_DEG).sample(batch.inputs, generator)
        which = torch.randint(len(known), (), generator=generator, device="cpu")
        g = turns @ known[int(which)]
        output = predict(model, transform(g, batch.inputs, signature.inputs, layout), types)
        wanted = transform(g, batch.targets, types, layout)
        difference = flatten(output, types, layout) - flatten(wanted, types, layout)
        errors.append(norm(difference).double())
        angles.append(nearest_angle_deg(g, known))
    return _average(torch.cat(angles), torch.cat(errors))


def nearest_angle_deg(g: Element, poses: Iterable[Element]) -> Tensor:  # (batch,)
    """Return the angle in degrees between each rotation and the nearest of its poses."""
    traces = [(g.rotation * pose.rotation).sum((1, 2)) for pose in poses]
    return torch.stack([((t - 1) / 2).clamp(-1, 1).acos() for t in traces]).amin(0).rad2deg()


def _average(angles: Tensor, errors: Tensor) -> PoseShift:
    """Return the mean error in each interval that has enough poses."""
    place = (angles / WIDTH_DEG).long().clamp_max(180 // WIDTH_DEG - 1).to(errors.device)
    counts = torch.bincount(place, minlength=180 // WIDTH_DEG)
    sums = errors.new_zeros(len(counts)).index_add(0, place, errors)
    held = counts >= LEAST * len(angles)
    centres = (torch.arange(len(counts), **EXACT) + 0.5) * WIDTH_DEG
    return PoseShift(centres[held.cpu()], (sums / counts.clamp_min(1))[held, None])
