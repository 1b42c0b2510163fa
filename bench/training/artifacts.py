"""What a run may keep beside its record: the trained weights, and predictions on its splits."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bench.core.config import Run
from bench.core.contracts import Task
from bench.core.keys import run_key, run_name
from bench.records import files, run_record
from bench.records.run_store import PREDICTIONS, WEIGHTS
from bench.records.tensors import as_bytes, read_tensors
from bench.training.build import build, symmetrise
from bench.training.scores import chunks
from remul import Batch, Fields
from remul.checks import predict


def make_artifacts(
    names: Iterable[str], run: Run, task: Task, model: nn.Module
) -> dict[str, bytes]:
    """Return the weights and the predictions, as far as they are named, by the ends of their files.

    Predictions are those of the model that is scored.
    """
    artifacts = {}
    if "weights" in names:
        artifacts[WEIGHTS] = as_bytes(model.state_dict(), run_name(run))
    if "predictions" in names:
        wrapped = symmetrise(model, task.signature, run.symmetrise)
        splits = {"val": task.val, **task.splits}
        arrays = {
            f"{split}/{name}": field.cpu().numpy()
            for split, batch in splits.items()
            for name, field in predict_all(wrapped, batch).items()
        }
        content = io.BytesIO()
        np.savez(content, **arrays)
        artifacts[PREDICTIONS] = content.getvalue()
    return artifacts


@torch.no_grad()
def predict_all(model: nn.Module, data: Batch) -> Fields:
    """Return the predicted fields of all samples."""
    model.eval()
    parts = [predict(model, chunk.inputs, chunk.targets) for chunk in chunks(data)]
    model.train()
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def load_network(file: Path | str, device: str = "cpu") -> tuple[Task, nn.Module]:
    """Return the task and the trained network of a record, as it was scored.

    Its weights have to have been kept. Raises `ValueError` for a file that is no record, for one of
    other versions of its plug-ins, and for weights that are not there or not whole.
    """
    record = files.read_record(Path(file), run_record.parse)
    if run_key(record.run) != record.key:
        raise ValueError(f"{file}: its task, model or method has changed since it was trained")
    weights, _ = read_tensors(Path(file).with_suffix(WEIGHTS))
    task, model, _ = build(record.run, device)
    model.load_state_dict(weights)
    return task, symmetrise(model, task.signature, record.run.symmetrise).eval()
