"""Scores of a trained model: accuracy and equivariance errors on every split."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bench.core.config import Run
from bench.core.contracts import Task
from bench.core.outcomes import DivergedError
from bench.records.run_record import LARGEST
from remul import (
    Batch,
    Element,
    Fields,
    Signature,
    error_by_axis,
    error_by_nearest_pose,
    error_spectrum,
    feature_spectrum,
    metrics,
    pose_shift,
)
from remul.checks import predict
from remul.elements import GroupElement
from remul.fields import Types
from remul.layouts import layout_of

SCORE_CHUNK = 500
PROFILED = 100  # samples behind each profile
LOOKED_INTO = 25  # those of hidden features, which are wide
AXES = 4  # axes of rotation for each angle, or angles for each axis
L_MAX = 2


@dataclass(frozen=True)
class SquaredErrors:
    """Squares summed over the real objects and components of each sample, and how many those are.

    Both are (fields, samples), float64.
    """

    sums: Tensor
    counts: Tensor

    @property
    def mean(self) -> float:
        """Mean over samples, real objects and components, summed over the fields."""
        return (self.sums.sum(1) / self.counts.sum(1)).sum().item()  # waits for a GPU once

    @property
    def of_samples(self) -> Tensor:
        """That of each sample, (samples,)."""
        return (self.sums / self.counts.clamp(min=1)).sum(0)


@torch.no_grad()  # not inference mode: a network may differentiate inside, as for forces
def squared_errors(model: nn.Module, data: Batch, types: Types) -> SquaredErrors:
    """Return the squared errors of a model in evaluation, by sample; `types` are of its outputs."""
    model.eval()
    parts = []
    for chunk in chunks(data):
        layout, output = layout_of(chunk.inputs), predict(model, chunk.inputs, chunk.targets)
        fields = []
        for name, target in chunk.targets.items():
            square = (output[name] - target).double().square()
            blocks = (layout.pad(x, types[name].objects) for x in (square, torch.ones_like(square)))
            fields.append(torch.stack([block.flatten(1).sum(1) for block in blocks]))
        parts.append(torch.stack(fields))
    model.train()
    return SquaredErrors(*torch.cat(parts, -1).unbind(1))


def score(run: Run, task: Task, model: nn.Module, generator: Generator) -> dict[str, float]:
    """Return the scores that every record has, one of each kind for each split.

    The median of an even number of squared errors is the lower of the two in the middle.
    """
    scores = {}
    for name, data in task.splits.items():
        squares = squared_errors(model, data, task.signature.outputs)
        scores[f"mse_{name}"] = squares.mean
        scores[f"squared_error_median_{name}"] = squares.of_samples.median().item()
        scores[f"squared_error_max_{name}"] = squares.of_samples.max().item()
        errors = equivariance_errors(run, task, model, data[: run.samples], generator)
        scores |= {f"{kind}_{name}": error for kind, error in errors.items()}
    return scores


@torch.no_grad()
def own_scores(task: Task, model: nn.Module) -> dict[str, float]:
    """Return what the task itself measures of a model in evaluation, as far as that has it."""
    model.eval()
    with _beside_samples(model):
        scores = {name: measure(model) for name, measure in task.scores.items()}
    model.train()
    return {name: float(value) for name, value in scores.items() if value is not None}


@contextmanager
def _beside_samples(model: nn.Module) -> Iterator[None]:
    """Keep a model on the CPU, where the samples are that a task's own functions hold."""
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    model.to("cpu")
    try:
        yield
    finally:
        model.to(device)


@torch.no_grad()
def equivariance_errors(
    run: Run, task: Task, model: nn.Module, data: Batch, generator: Generator
) -> dict[str, float]:
    """Return the measures over the task's group, each of `run.elements`, by kind and statistic.

    A kind alone is the mean over samples; with it come the 95th percentile and the largest.
    """
    if task.group is None:
        return {}
    model.eval()
    parts: dict[str, list[Tensor]] = {}
    for chunk in chunks(data):
        elements = [task.group.sample(chunk.inputs, generator) for _ in range(run.elements)]
        for kind, errors in _measure(model, chunk, task.signature, elements).items():
            parts.setdefault(kind, []).append(errors.double())
    model.train()
    scores = {kind: sum(x.sum().item() / len(data) for x in part) for kind, part in parts.items()}
    for kind, part in parts.items():
        values = torch.cat(part)
        scores[f"{kind}_p95"] = values.quantile(0.95).item()
        scores[f"{kind}_max"] = values.max().item()
    return scores


def _measure(
    model: nn.Module, chunk: Batch, signature: Signature, elements: list[GroupElement]
) -> dict[str, Tensor]:
    """Return the errors over the elements, on a GPU as many in one pass as its memory holds."""
    at_once = len(elements) if chunk.device.type == "cuda" else 1  # a CPU gains nothing by more
    while True:
        try:
            return metrics.errors(model, chunk.inputs, signature, elements, at_once)
        except torch.OutOfMemoryError:
            if at_once == 1:
                raise
        at_once = (at_once + 1) // 2


def check_finite(scores: dict[str, float]) -> dict[str, float]:
    """Return the scores as they are; raises `DivergedError` if one is not a finite number."""
    for name, value in scores.items():
        if not isfinite(value):
            raise DivergedError(f"{name} is {value}")
    return scores


def part_finite(scores: dict[str, float]) -> tuple[dict[str, float], list[str]]:
    """Return the scores that a record can hold, and what the others are: the rest is sound."""
    kept = {name: value for name, value in scores.items() if abs(value) <= LARGEST}
    return kept, [f"{name} is {scores[name]}" for name in scores if name not in kept]


@torch.no_grad()
def profiles(
    task: Task, model: nn.Module, poses: list[Element] | None, generator: Generator
) -> dict[str, Any]:
    """Return where the model errs on the test split: E' by angle and by axis, energy by degree.

    Those of hidden features too, where it has layers, and where it was trained in fixed `poses` the
    error on training samples by the angle to the nearest. Means over the first `PROFILED` samples;
    and the curves of the task's own.
    """
    model.eval()
    inputs, signature = task.test[:PROFILED].inputs, task.signature
    shift = pose_shift(model, inputs, signature, generator, AXES)
    axes = error_by_axis(model, inputs, signature, generator, AXES)
    spectrum = error_spectrum(model, inputs, signature, L_MAX)
    return {
        "angles_deg": shift.angles_deg.tolist(),
        "expected_error_by_angle": shift.errors.mean(-1).tolist(),
        "expected_error_by_axis": {axis: error.mean().item() for axis, error in axes.items()},
        "energy_by_degree": spectrum.mean(0).tolist(),
        "energy_by_layer": _spectra(model, task.test[:LOOKED_INTO].inputs, signature),
        **(_errors_by_pose(task, model, poses, generator) if poses else {}),
        "own": _own_curves(task, model),
    }


def _own_curves(task: Task, model: nn.Module) -> dict[str, list[float]]:
    curves = {}
    with _beside_samples(model):
        measured = task.profile(model) if task.profile else {}
    for name, curve in measured.items():
        try:
            curves[name] = [float(value) for value in curve]
        except (TypeError, ValueError) as error:
            raise ValueError(f"profile {name!r} is no list of numbers: {error}") from None
        if not all(map(isfinite, curves[name])):
            raise ValueError(f"profile {name!r} has values that are not finite")
    return curves


def _spectra(model: nn.Module, inputs: Fields, signature: Signature) -> dict[str, list[float]]:
    """Return the energy by degree of the features of each layer, of a network that shows them."""
    try:
        spectra = feature_spectrum(model, inputs, signature, L_MAX)
    except ValueError:  # it has no layers, or they put out nothing per object
        return {}
    return {name: energy.mean(0).tolist() for name, energy in spectra.items()}


def _errors_by_pose(
    task: Task, model: nn.Module, poses: list[Element], generator: Generator
) -> dict[str, list[float]]:
    known = [Element(g.rotation[:PROFILED], g.translation[:PROFILED]) for g in poses]
    batch = task.train[:PROFILED]
    curve = error_by_nearest_pose(model, batch, task.signature, known, generator)
    return {
        "pose_deg": curve.angles_deg.tolist(),
        "error_by_pose": curve.errors.squeeze(1).tolist(),
    }


def chunks(data: Batch) -> Iterator[Batch]:
    """Yield the samples in order, `SCORE_CHUNK` at a time."""
    for start in range(0, len(data), SCORE_CHUNK):
        yield data[start : start + SCORE_CHUNK]
