"""Scores field by field: errors in its units, and what turns change."""

from functools import partial

import torch

from bench.core.contracts import Score
from remul import Batch, Model, Signature, pose_differences


def mean_errors(batch: Batch) -> dict[str, Score]:
    """Return mean absolute errors and roots of mean squares, by the names of their scores."""

    def measure(model: Model, name: str, power: int) -> float:
        error = model(batch.inputs)[name] - batch.targets[name]
        return float(error.abs().pow(power).mean() ** (1 / power))

    return {
        f"{name}_{kind}": partial(measure, name=name, power=power)
        for name in batch.targets
        for kind, power in (("mae", 1), ("rmse", 2))
    }


def errors_of_turns(batch: Batch, signature: Signature) -> dict[str, Score]:
    """Return what turns of 1 to 180 degrees change in each field, by the name of its score.

    Mean and largest over samples, turns and objects; energies are for each object.
    """

    def measure(model: Model, name: str, largest: bool) -> float:
        draws = torch.Generator().manual_seed(0)
        found = pose_differences(model, batch.inputs, signature, draws)
        return float(found.largest[name].max() if largest else found.mean[name].mean())

    return {
        f"{name}_by_turn{suffix}": partial(measure, name=name, largest=bool(suffix))
        for name in signature.outputs
        for suffix in ("", "_max")
    }
