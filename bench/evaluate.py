"""Scores of a trained model: accuracy and equivariance errors on every split."""

from collections.abc import Iterator

import torch
from torch import Generator, nn

from bench.config import Run
from bench.plugins import Task
from remul import SO3, Batch, Signature
from remul.fields import MASK, real_fraction, zero_padding
from remul.metrics import errors

CHUNK = 500


@torch.inference_mode()
def mean_squared_error(model: nn.Module, data: Batch) -> float:
    """Mean square over samples, real objects and components, summed over the output fields."""
    model.eval()
    squares: dict[str, float] = {}
    counts: dict[str, float] = {}
    for chunk in chunks(data):
        mask, output = chunk.inputs.get(MASK), model(chunk.inputs)
        for name, target in zero_padding(chunk.targets, mask).items():
            error = zero_padding({name: output[name]}, mask)[name] - target
            squares[name] = squares.get(name, 0.0) + error.double().square().sum().item()
            real = target.numel() * float(real_fraction(target, mask))
            counts[name] = counts.get(name, 0.0) + real
    model.train()
    return sum(squares[name] / counts[name] for name in squares)


def score(run: Run, task: Task, model: nn.Module, generator: Generator) -> dict[str, float]:
    """The scores of the record, one of each kind for each split."""
    scores = {}
    for name, data in task.splits.items():
        scores[f"mse_{name}"] = mean_squared_error(model, data)
        found = equivariance_errors(run, task.signature, model, data[: run.samples], generator)
        scores |= {f"{kind}_{name}": error for kind, error in found.items()}
    return scores


@torch.inference_mode()
def equivariance_errors(
    run: Run, signature: Signature, model: nn.Module, data: Batch, generator: Generator
) -> dict[str, float]:
    """The measures over SO(3), each the mean over samples, with `run.elements` elements each."""
    model.eval()
    totals: dict[str, float] = {}
    for chunk in chunks(data):
        elements = [SO3.sample(chunk.inputs, generator) for _ in range(run.elements)]
        for kind, found in errors(model, chunk.inputs, signature, elements).items():
            share = found.double().sum().item() / len(data)
            totals[kind] = totals.get(kind, 0.0) + share
    model.train()
    return totals


def chunks(data: Batch) -> Iterator[Batch]:
    """The samples in order, `CHUNK` at a time."""
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]
